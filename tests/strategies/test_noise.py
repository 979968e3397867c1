"""Stochastic batches draw as their papers say, by a sample's id and the seed alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from limner_strategies.noise import gumbels, perturbed, sub_seed, uniforms
from limner_strategies.ranking import highest

SCORES = np.array([0.1, 0.2, 0.4, 0.8])
IDS = np.arange(1, 5)
RUNS = 6000


def first_drawn(way: str, beta: float) -> Counter[int]:
    return Counter(
        int(highest(perturbed(SCORES, IDS, way, beta, seed), IDS, 1, seed)[0])
        for seed in range(RUNS)
    )


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
@pytest.mark.parametrize(
    ("way", "weight"),
    [
        ("power", lambda beta: SCORES**beta),
        ("softmax", lambda beta: np.exp(beta * SCORES)),
        ("softrank", lambda beta: np.array([4.0, 3.0, 2.0, 1.0]) ** -beta),
    ],
)
def test_the_first_is_drawn_in_the_proportions_of_the_paper(way: str, weight, beta: float) -> None:  # type: ignore[no-untyped-def]
    drawn = first_drawn(way, beta)
    expected = RUNS * weight(beta) / weight(beta).sum()
    counts = np.array([drawn[row] for row in range(4)])
    # χ² with 3 degrees of freedom exceeds 16.3 once in a thousand; the seeds are fixed.
    assert ((counts - expected) ** 2 / expected).sum() < 16.3


def test_power_draws_the_second_in_proportion_to_what_is_left() -> None:
    pairs: Counter[tuple[int, ...]] = Counter()
    for seed in range(RUNS):
        keys = perturbed(SCORES, IDS, "power", 1.0, seed)
        pairs[tuple(highest(keys, IDS, 2, seed).tolist())] += 1
    p = SCORES / SCORES.sum()
    statistic = 0.0
    for first in range(4):
        for second in {0, 1, 2, 3} - {first}:
            expected = RUNS * p[first] * p[second] / (1 - p[first])
            statistic += (pairs[first, second] - expected) ** 2 / expected
    # χ² with 11 degrees of freedom exceeds 31.3 once in a thousand.
    assert statistic < 31.3


def test_top_is_the_score_and_much_beta_is_nearly_so() -> None:
    assert perturbed(SCORES, IDS, "top", 1.0, 3).tolist() == SCORES.tolist()
    for way in ("power", "softmax", "softrank"):
        assert highest(perturbed(SCORES, IDS, way, 1000.0, 3), IDS, 4, 0).tolist() == [3, 2, 1, 0]


def test_what_has_no_score_is_unknown_and_what_is_zero_comes_before_it() -> None:
    scores = np.array([np.nan, 0.0, 1e-9, -0.5, np.nan])
    ids = np.arange(5)
    for seed in range(50):
        keys = perturbed(scores, ids, "power", 0.01, seed)
        assert np.isnan(keys).tolist() == [True, False, False, False, True]
        order = highest(keys, ids, 5, seed).tolist()
        assert order[0] == 2
        assert set(order[1:3]) == {1, 3}


def test_noise_goes_by_the_id_and_not_by_the_row() -> None:
    ids = np.arange(1, 1001)
    scores = np.random.default_rng(0).random(1000)
    turned = np.random.default_rng(1).permutation(1000)
    for way in ("power", "softmax", "softrank"):
        keys = perturbed(scores, ids, way, 1.0, 5)
        assert np.array_equal(perturbed(scores[turned], ids[turned], way, 1.0, 5), keys[turned])


def test_draws_have_the_distribution_they_are_named_for() -> None:
    ids = np.arange(200_000)
    u = uniforms(ids, 1)
    assert 0 < u.min() < u.max() < 1
    counts = np.histogram(u, bins=50, range=(0, 1))[0]
    # χ² with 49 degrees of freedom exceeds 85.4 once in a thousand.
    assert ((counts - 4000) ** 2 / 4000).sum() < 85.4
    g = gumbels(ids, 2)
    assert abs(g.mean() - 0.5772) < 0.01
    assert abs(g.std() - np.pi / 6**0.5) < 0.01
    assert abs(np.corrcoef(u, uniforms(ids, 3))[0, 1]) < 0.01


def test_sub_seeds_differ() -> None:
    seeds = {sub_seed(seed, number) for seed in range(50) for number in range(50)}
    assert len(seeds) == 2500
