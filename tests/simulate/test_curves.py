"""The numbers of learning curves, against values worked out by hand and against scipy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from limner.simulate.curves import (
    area_under,
    crossings,
    interval,
    isotonic,
    ratio_json,
    reached_json,
    seed_draws,
    two_level_interval,
)

BUDGETS = [10, 20, 40]


def test_the_area_is_the_mean_height_by_the_trapezoid_rule() -> None:
    # (20 - 10) * 0.3 + (40 - 20) * 0.6 = 15, over 30 labels.
    assert area_under(BUDGETS, [0.2, 0.4, 0.8]) == pytest.approx(0.5)
    # Each doubling has the same width along the logarithm: (0.3 + 0.6) / 2.
    assert area_under(BUDGETS, [0.2, 0.4, 0.8], log=True) == pytest.approx(0.45)


def test_a_constant_curve_has_the_area_of_its_constant() -> None:
    assert area_under(BUDGETS, [0.7, 0.7, 0.7]) == pytest.approx(0.7)
    assert area_under(BUDGETS, [0.7, 0.7, 0.7], log=True) == pytest.approx(0.7)
    assert area_under([10], [0.7]) == pytest.approx(0.7)


def test_areas_come_for_many_curves_at_once() -> None:
    areas = area_under(BUDGETS, [[0.2, 0.4, 0.8], [0.7, 0.7, 0.7]])
    assert areas.tolist() == pytest.approx([0.5, 0.7])


def test_a_dip_is_shared_out_among_the_rounds_around_it() -> None:
    assert isotonic([0.1, 0.5, 0.3, 0.6]).tolist() == pytest.approx([0.1, 0.4, 0.4, 0.6])
    assert isotonic([0.3, 0.2, 0.1]).tolist() == pytest.approx([0.2, 0.2, 0.2])
    rising = [0.1, 0.2, 0.2, 0.9]
    assert isotonic(rising).tolist() == pytest.approx(rising)


@pytest.mark.parametrize("seed", range(5))
def test_isotonic_curves_are_those_of_scipy(seed: int) -> None:
    curves = np.random.default_rng(seed).normal(size=(20, 7))
    ours = isotonic(curves)
    for curve, fitted in zip(curves, ours, strict=True):
        assert fitted == pytest.approx(scipy.optimize.isotonic_regression(curve).x)


def test_a_target_between_two_budgets_is_reached_at_a_place_in_their_logarithms() -> None:
    found = crossings(BUDGETS, [0.5, 0.7, 0.9], 0.8)
    assert found.budget == pytest.approx(math.sqrt(20 * 40))
    assert not found.before
    assert not found.never
    assert reached_json(found) == {"estimate": pytest.approx(28.284, abs=1e-3)}
    assert crossings(BUDGETS, [0.5, 0.7, 0.9], 0.7).budget == pytest.approx(20)


def test_what_is_reached_outside_the_budgets_stays_censored() -> None:
    assert reached_json(crossings(BUDGETS, [0.5, 0.7, 0.9], 0.95)) == {
        "estimate": None,
        "censored": "> 40",
    }
    assert reached_json(crossings(BUDGETS, [0.5, 0.7, 0.9], 0.5)) == {
        "estimate": None,
        "censored": "<= 10",
    }


def test_a_flat_stretch_before_the_target_is_walked_to_its_end() -> None:
    found = crossings([10, 20, 40, 80], [0.5, 0.6, 0.6, 0.8], 0.7)
    assert found.budget == pytest.approx(math.sqrt(40 * 80))


def test_crossings_of_many_curves_are_those_of_each() -> None:
    random = np.random.default_rng(0)
    curves = isotonic(random.random((30, 3)))
    many = crossings(BUDGETS, curves, 0.6)
    for place, curve in enumerate(curves):
        one = crossings(BUDGETS, curve, 0.6)
        assert many.budget[place] == pytest.approx(float(one.budget))
        assert (many.before[place], many.never[place]) == (bool(one.before), bool(one.never))


def test_draws_weigh_every_resample_alike_and_are_seeded() -> None:
    draws = seed_draws(4, resamples=500)
    assert draws.shape == (500, 4)
    assert draws.sum(axis=1) == pytest.approx(np.ones(500))
    assert np.array_equal(draws, seed_draws(4, resamples=500))
    assert not np.array_equal(draws, seed_draws(4, resamples=500, seed=1))
    assert draws.mean() == pytest.approx(0.25, abs=0.02)


def test_an_interval_is_the_percentile_bootstrap_of_scipy() -> None:
    values = np.random.default_rng(3).normal(0.8, 0.05, 12)
    ours = interval(values, seed_draws(12))
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="percentile", rng=5
    ).confidence_interval
    assert ours.mean == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.002)
    assert ours.high == pytest.approx(theirs.high, abs=0.002)


def test_seeds_that_agree_leave_no_interval() -> None:
    ours = interval([0.8, 0.8, 0.8], seed_draws(3))
    assert (ours.mean, ours.low, ours.high) == pytest.approx((0.8, 0.8, 0.8))


def test_cases_drawn_anew_widen_an_interval() -> None:
    random = np.random.default_rng(1)
    differences = random.normal(0.02, 0.2, (6, 15))
    both = two_level_interval(differences)
    seeds = interval(differences.mean(axis=1), seed_draws(6))
    assert both.mean == pytest.approx(differences.mean())
    width = {id(each): (each.high or 0.0) - (each.low or 0.0) for each in (both, seeds)}
    assert width[id(both)] > width[id(seeds)] > 0
    assert both == two_level_interval(differences)


def ratio(
    mine: list[list[float]], theirs: list[list[float]], target: float = 0.8
) -> dict[str, Any]:
    """The ratio of two strategies from curves by seed, as a comparison works it out."""
    draws = seed_draws(len(mine))
    pair = []
    for scores in map(np.array, (mine, theirs)):
        mean = crossings(BUDGETS, isotonic(scores.mean(axis=0)), target)
        pair.append((mean, crossings(BUDGETS, isotonic(draws @ scores), target)))
    return ratio_json(pair[0], pair[1])


def test_a_ratio_says_how_many_times_fewer_labels_are_needed() -> None:
    found = ratio([[0.5, 0.8, 0.9]] * 4, [[0.5, 0.6, 0.8]] * 4)
    assert found == {
        "estimate": pytest.approx(2.0),
        "low": pytest.approx(2.0),
        "high": pytest.approx(2.0),
    }


def test_the_interval_of_a_ratio_comes_from_seeds_drawn_in_pairs() -> None:
    # Alone each strategy varies from seed to seed, but they always need the same.
    curves = [[0.5, 0.8, 0.9], [0.5, 0.7, 0.9], [0.5, 0.6, 0.95]]
    found = ratio(curves, curves)
    assert (found["estimate"], found["low"], found["high"]) == pytest.approx((1.0, 1.0, 1.0))


def test_a_ratio_to_what_never_gets_there_is_known_from_below_only() -> None:
    found = ratio([[0.5, 0.8, 0.9]] * 3, [[0.5, 0.6, 0.7]] * 3)
    assert found["estimate"] is None
    assert found["censored"] == "> 2.00"
    assert found["low"] == pytest.approx(2.0)
    assert found["high"] is None


def test_a_ratio_of_what_never_gets_there_is_known_from_above_only() -> None:
    found = ratio([[0.5, 0.6, 0.7]] * 3, [[0.5, 0.8, 0.9]] * 3)
    assert found["estimate"] is None
    assert found["censored"] == "< 0.50"
    assert found["low"] is None
    assert found["high"] == pytest.approx(0.5)


def test_a_ratio_of_two_that_never_get_there_is_unknown() -> None:
    found = ratio([[0.5, 0.6, 0.7]] * 3, [[0.5, 0.6, 0.7]] * 3)
    assert found == {"estimate": None, "censored": "unknown", "low": None, "high": None}
