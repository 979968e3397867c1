from __future__ import annotations

import math

import numpy as np
import pytest

from limner.engine.numbers import Broken
from limner.engine.reporting import EVERY_S, Reporter
from limner.plugin import Progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_at_most_ten_reports_a_second_go_out_and_always_the_last() -> None:
    sent: list[Progress] = []
    clock = Clock()
    reporter = Reporter(sent.append, lambda: False, clock)
    for step in range(1000):
        clock.now = step / 1000
        reporter.progress(Progress(step=step, total=1000))
    reporter.flush()
    assert [sent[0].step, sent[-1].step] == [0, 999]
    assert len(sent) <= 1 / EVERY_S + 1
    reporter.flush()
    assert len(sent) <= 1 / EVERY_S + 1


def test_reports_are_plain_and_finite() -> None:
    sent: list[Progress] = []
    losses = {"dice": np.float32(0.5), "broken": math.nan}
    Reporter(sent.append, lambda: False).progress(
        Progress(step=np.int64(1), total=2, losses=losses)  # type: ignore[arg-type]
    )
    assert sent == [Progress(step=1, total=2, losses={"dice": 0.5})]
    assert type(sent[0].step) is int
    assert type(sent[0].losses["dice"]) is float


def test_a_report_that_is_none_is_refused() -> None:
    reporter = Reporter(lambda progress: None, lambda: False)
    with pytest.raises(Broken, match=r"step is 1.5, not a whole number"):
        reporter.progress(Progress(step=1.5, total=2))  # type: ignore[arg-type]


def test_the_word_to_stop_is_passed_on() -> None:
    assert Reporter(lambda progress: None, lambda: True).should_stop()
