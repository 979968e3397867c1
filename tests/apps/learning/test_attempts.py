from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from limner.plugin import Json, PluginError
from limner_apps.learning.attempts import ATTEMPTS, Finished, train_until_learnt
from limner_apps.learning.state import RunState


@dataclass(frozen=True)
class NoPlan:
    def as_json(self) -> dict[str, Json]:
        return {}


State = RunState[NoPlan]
Ended = tuple[Finished[State] | None, str]


def run_of(state: State, missing: tuple[str, ...]) -> Finished[State]:
    return Finished(state=state, average={}, missing=missing, seed=state.attempt)


def scripted(*missing: tuple[str, ...] | None) -> Callable[[State], Ended]:
    """Attempts that diverge (None) or end without these classes."""

    def attempt(state: State) -> Ended:
        told = missing[state.attempt]
        if told is None:
            return None, "it diverged"
        return run_of(state, told), f"without {'+'.join(told)}" if told else ""

    return attempt


def fresh(**more: Any) -> State:
    return RunState(plan=NoPlan(), notes=["before"], **more)


def test_the_first_good_run_serves_and_says_what_was_tried() -> None:
    run = train_until_learnt(fresh(), scripted(None, ()))
    assert run.seed == 1
    assert run.state.notes == ["before", f"Attempt 1 of {ATTEMPTS} failed: it diverged."]


def test_else_the_run_that_misses_least_serves_with_the_notes_of_all() -> None:
    run = train_until_learnt(fresh(), scripted(("a", "b"), ("a",), None))
    assert run.missing == ("a",)
    assert run.state.notes == [
        "before",
        f"Attempt 1 of {ATTEMPTS} failed: without a+b.",
        f"Attempt 2 of {ATTEMPTS} failed: without a.",
        f"Attempt 3 of {ATTEMPTS} failed: it diverged.",
    ]


def test_notes_of_attempts_after_the_best_are_kept() -> None:
    run = train_until_learnt(fresh(), scripted(("a",), None, ("a", "b")))
    assert run.seed == 0
    assert len(run.state.notes) == 1 + ATTEMPTS


def test_no_run_at_all_is_an_error() -> None:
    with pytest.raises(PluginError, match=f"failed {ATTEMPTS} times.*it diverged"):
        train_until_learnt(fresh(), scripted(None, None, None))


def test_it_goes_on_at_the_attempt_that_was_kept() -> None:
    run = train_until_learnt(fresh(attempt=2), scripted(None, None, ()))
    assert run.seed == 2


def test_the_next_attempt_begins_with_nothing_of_the_last() -> None:
    tensors = {"w": torch.zeros(1)}
    state = fresh(step=7, network=tensors, average=tensors, optimiser={"a": 1}, losses={"b": 1.0})
    assert state.again("why") == RunState(plan=NoPlan(), attempt=1, notes=["before", "why"])
    assert state.notes == ["before"]
