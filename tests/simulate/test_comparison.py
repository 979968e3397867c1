"""The test of two strategies and the correction for many, against scipy and by enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import scipy.stats

from limner.simulate.comparison import SIGNIFICANT, fewest_seeds, holm, wilcoxon


@pytest.mark.parametrize("pairs", [3, 6, 10, 25, 50])
def test_few_pairs_are_counted_exactly_as_scipy_does(pairs: int) -> None:
    differences = np.random.default_rng(pairs).normal(0.3, 1.0, pairs)
    theirs = scipy.stats.wilcoxon(differences, method="exact").pvalue
    assert wilcoxon(differences) == pytest.approx(theirs)


def test_many_pairs_are_approximated_as_scipy_does() -> None:
    differences = np.random.default_rng(0).normal(0.2, 1.0, 80)
    theirs = scipy.stats.wilcoxon(differences, method="approx", correction=True).pvalue
    assert wilcoxon(differences) == pytest.approx(theirs)


def test_ties_have_the_distribution_of_their_own_ranks() -> None:
    differences = np.array([1.0, 1.0, -1.0, 2.0, 2.0, 3.0])
    ranks = np.array([2.0, 2.0, 2.0, 4.5, 4.5, 6.0])
    sums = [float(ranks[np.array(signs)].sum()) for signs in product([True, False], repeat=6)]
    observed = float(ranks[differences > 0].sum())
    low = np.mean([each <= observed for each in sums])
    high = np.mean([each >= observed for each in sums])
    assert wilcoxon(differences) == pytest.approx(min(1.0, 2 * min(low, high)))


def test_pairs_without_a_difference_say_nothing() -> None:
    assert wilcoxon([0.0, 0.0, 0.0]) == 1.0
    assert wilcoxon([0.0, 0.4, 0.1, -0.2, 0.0]) == wilcoxon([0.4, 0.1, -0.2])


def test_the_test_has_no_side() -> None:
    differences = np.random.default_rng(2).normal(0.5, 1.0, 9)
    assert wilcoxon(differences) == pytest.approx(wilcoxon(-differences))


def test_holm_is_as_worked_out_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, and never below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_below_a_level_exactly_where_its_steps_reject(seed: int) -> None:
    p_values = np.random.default_rng(seed).random(6) ** 3
    rejected = set()
    for place, index in enumerate(np.argsort(p_values)):
        if p_values[index] > SIGNIFICANT / (6 - place):
            break
        rejected.add(int(index))
    adjusted = holm(p_values.tolist())
    assert {index for index, p in enumerate(adjusted) if p <= SIGNIFICANT} == rejected


@pytest.mark.parametrize("comparisons", [1, 2, 5, 10])
def test_with_the_fewest_seeds_a_difference_can_be_found_and_with_fewer_not(
    comparisons: int,
) -> None:
    fewest = fewest_seeds(comparisons)

    def smallest_p(seeds: int) -> float:
        always_better = wilcoxon(np.arange(1.0, seeds + 1))
        return holm([always_better] + [1.0] * (comparisons - 1))[0]

    assert smallest_p(fewest) <= SIGNIFICANT
    assert smallest_p(fewest - 1) > SIGNIFICANT
