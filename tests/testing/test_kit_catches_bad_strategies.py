"""Every check of the kit fails for a strategy that breaks what it checks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from limner.plugin import Pick, Pool
from limner.registry import Registry
from limner.testing import StrategyConformance

CALLS = itertools.count()


class Faulty:
    """Picks in a way that is wrong on purpose."""

    def __init__(self, how: str) -> None:
        self._how = how

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        n = len(pool.ids)
        known = np.nan_to_num(pool.scores.get("entropy", np.zeros(n, np.float32)), nan=-1.0)
        rows = list(np.argsort(-known, kind="stable")[:count])
        score, reason = 1.0, "because"
        if self._how == "twice" and len(rows) > 1:
            rows[-1] = rows[0]
        elif self._how == "too-few":
            rows = rows[:-1]
        elif self._how == "ids-for-rows":
            rows = [int(pool.ids[row]) for row in rows]
        elif self._how == "silent":
            reason = " "
        elif self._how == "nan":
            score = float("nan")
        elif self._how == "unseeded":
            rows = rows[(shift := next(CALLS) % max(n, 1)) :] + rows[:shift]
        elif self._how == "unknown-first":
            rows = list(np.argsort(known, kind="stable")[:count])
        elif self._how == "scribbling" and n:
            for array in pool.scores.values():
                array.setflags(write=True)
                array[0] = 5.0
        elif self._how == "needs-a-model":
            rows = [row for row in rows if known[row] >= 0]
        return [Pick(index=int(row), score=score, reason=reason) for row in rows]


@pytest.fixture
def suite(plugins: Registry) -> Any:
    class Suite(StrategyConformance):
        manifest = plugins.strategy("tiny")

    return Suite()


@pytest.mark.parametrize(
    ("how", "check"),
    [
        ("twice", "test_picks_are_distinct_rows_as_many_as_asked"),
        ("too-few", "test_picks_are_distinct_rows_as_many_as_asked"),
        ("ids-for-rows", "test_picks_are_distinct_rows_as_many_as_asked"),
        ("silent", "test_picks_are_distinct_rows_as_many_as_asked"),
        ("nan", "test_picks_are_distinct_rows_as_many_as_asked"),
        ("unseeded", "test_same_pool_and_seed_give_the_same_picks"),
        ("scribbling", "test_the_pool_is_never_changed"),
        ("unknown-first", "test_rows_not_described_yet_come_last"),
        ("needs-a-model", "test_a_pool_that_nobody_described_is_ordered"),
    ],
)
def test_a_strategy_that_breaks_the_contract_is_caught(suite: Any, how: str, check: str) -> None:
    getattr(suite, check)(strategy=Faulty(""))
    with pytest.raises(AssertionError):
        getattr(suite, check)(strategy=Faulty(how))


def test_a_slow_strategy_is_caught(suite: Any) -> None:
    suite.many, suite.many_seconds = 1000, 0.0
    with pytest.raises(AssertionError, match="took"):
        suite.test_a_big_pool_is_picked_from_in_time(strategy=Faulty(""))
