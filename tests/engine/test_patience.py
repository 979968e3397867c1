from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from limner.engine.messages import PickRows
from limner.engine.patience import LEAVE_GRACE_S, LONGEST_BACKOFF_S, STOP_GRACE_S, InWork, backoff_s
from limner.engine.tickets import Ticket
from limner.errors import EngineError, WorkerTimeout
from limner.plugin import Pool, Stopped
from limner.registry import PluginSource

COMMAND = PickRows(
    name="any",
    source=PluginSource("limner.strategies", "any", str(Path("/nowhere"))),
    pool=Pool(ids=np.arange(1)),
    count=1,
    seed=0,
)


def in_work(*, limit_s: float | None = None, stall_s: float | None = None) -> InWork:
    return InWork(Ticket(COMMAND, limit_s=limit_s, stall_s=stall_s), 1, began=100.0, heard=100.0)


def test_work_without_limits_may_take_for_ever() -> None:
    assert in_work().deadline() is None
    assert in_work().verdict("learner", 1e9) is None


def test_work_over_its_limit_is_given_up_even_when_it_reports() -> None:
    work = in_work(limit_s=10)
    work.heard = 109
    assert work.verdict("predictor", 109.9) is None
    verdict = work.verdict("predictor", 110)
    assert isinstance(verdict, WorkerTimeout)
    assert "10 s" in str(verdict)


def test_work_that_reports_does_not_stall() -> None:
    work = in_work(stall_s=10)
    work.heard = 109
    assert work.verdict("learner", 115) is None
    assert isinstance(work.verdict("learner", 119), WorkerTimeout)


def test_work_told_to_stop_has_a_grace() -> None:
    work = in_work()
    work.told_to_stop = 200
    assert work.verdict("learner", 199 + STOP_GRACE_S) is None
    assert isinstance(work.verdict("learner", 200 + STOP_GRACE_S), Stopped)


def test_work_of_a_leaving_engine_has_a_shorter_one_and_fails() -> None:
    work = in_work()
    work.told_to_stop, work.is_leaving = 200, True
    assert LEAVE_GRACE_S < STOP_GRACE_S
    assert type(work.verdict("learner", 200 + LEAVE_GRACE_S)) is EngineError


@pytest.mark.parametrize(("deaths", "pause"), [(0, 0), (1, 0), (2, 0.1), (3, 0.2), (4, 0.4)])
def test_the_first_restart_is_at_once_and_later_ones_wait_longer(deaths: int, pause: float) -> None:
    assert backoff_s(deaths) == pytest.approx(pause)


def test_pauses_are_bounded() -> None:
    assert backoff_s(10_000) == LONGEST_BACKOFF_S
