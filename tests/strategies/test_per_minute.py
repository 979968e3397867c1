"""What a minute of labelling buys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.strategies.rows import picked, pool_of

from limner_strategies.per_minute import PerMinute, filled_in, rates, within


def test_the_highest_rate_comes_first() -> None:
    random = np.random.default_rng(1)
    entropy, minutes = random.random(30), random.lognormal(1, 1, 30)
    for gamma in (0.0, 0.5, 1.0):
        pool = pool_of(
            30, scores={"entropy": entropy}, cost=minutes, options={"gamma": gamma, "minutes": 0.0}
        )
        expected = np.argsort(-entropy / minutes**gamma)[:10]
        assert picked(PerMinute(), pool, 10) == expected.tolist()
    assert rates(entropy, minutes, 0.0) == pytest.approx(entropy)


def test_unknown_minutes_are_the_median_of_the_known() -> None:
    minutes = np.array([1.0, np.nan, 3.0, 10.0], np.float32)
    assert filled_in(minutes) == pytest.approx([1, 3, 3, 10])
    assert filled_in(np.full(3, np.nan, np.float32)) == pytest.approx([1, 1, 1])


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), budget=st.floats(0.1, 60))
def test_what_is_affordable_fits_the_budget_and_is_worth_half_of_the_best(
    seed: int, budget: float
) -> None:
    random = np.random.default_rng(seed)
    scores, minutes = random.random(9), random.lognormal(1, 1, 9)
    rows = within(np.argsort(-scores / minutes), scores, minutes, budget)
    assert len(set(rows.tolist())) == len(rows)
    assert minutes[rows].sum() <= budget + 1e-9
    subsets = ((np.arange(512)[:, None] >> np.arange(9)) & 1).astype(bool)
    worths = np.where(subsets @ minutes <= budget, subsets @ scores, 0.0)
    assert scores[rows].sum() >= worths.max() / 2 - 1e-9


def test_within_a_budget_the_first_picks_cost_no_more_than_that() -> None:
    random = np.random.default_rng(3)
    entropy, minutes = random.random(40), random.lognormal(1, 1, 40)
    pool = pool_of(40, scores={"entropy": entropy}, cost=minutes, options={"minutes": 12.0})
    picks = PerMinute().pick(pool, 20, 0)
    affordable = [pick.index for pick in picks if "over the budget" not in pick.reason]
    assert affordable
    assert minutes[affordable].sum() <= 12.0
    assert [pick.index for pick in picks[: len(affordable)]] == affordable


def test_where_no_cost_is_known_the_score_decides_and_the_reason_says_so() -> None:
    picks = PerMinute().pick(pool_of(3, scores={"entropy": [0.1, 0.9, 0.5]}), 3, 0)
    assert [pick.index for pick in picks] == [1, 2, 0]
    assert "how long labelling takes is not known yet" in picks[0].reason
