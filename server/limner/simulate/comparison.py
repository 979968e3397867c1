"""Whether two strategies differ: a signed-rank test over paired seeds, and many tests at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

SIGNIFICANT = 0.05

_MOST_EXACT = 50
"""Pairs up to which every assignment of signs is counted."""


def wilcoxon(differences: npt.ArrayLike) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test (Wilcoxon 1945).

    Pairs without a difference are left out, equal ones share their mean rank. The distribution is
    that of the given ranks under every assignment of signs, counted exactly up to 50 pairs and by
    the normal approximation beyond.

    Args:
        differences: One a pair; none at all gives 1.
    """
    given = np.asarray(differences, float)
    given = given[given != 0]
    if not len(given):
        return 1.0
    ranks = _ranks(np.abs(given))
    positive = float(ranks[given > 0].sum())
    if len(given) <= _MOST_EXACT:
        return _exact(ranks, positive)
    mean, spread = ranks.sum() / 2, math.sqrt(float((ranks**2).sum()) / 4)
    return min(1.0, math.erfc(max(0.0, abs(positive - mean) - 0.5) / spread / math.sqrt(2)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for being looked at together, by Holm's step-down method (Holm 1979).

    Returns:
        In the order given, each in [0, 1]; below a level exactly where Holm rejects at it.

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03, 0.005])]
        [0.03, 0.06, 0.06, 0.02]
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda each: p_values[each])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def fewest_seeds(comparisons: int) -> int:
    """Return with how many seeds the test can find a difference at all, looked at together.

    Example:
        >>> fewest_seeds(1), fewest_seeds(5)
        (6, 8)
    """
    seeds = 2
    while max(1, comparisons) * 2.0 ** (1 - seeds) > SIGNIFICANT:
        seeds += 1
    return seeds


def _ranks(sizes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rank from 1, equal sizes by their mean rank."""
    _, group, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: npt.NDArray[np.float64] = (2 * ends - counts + 1) / 2
    return means[group]


def _exact(ranks: npt.NDArray[np.float64], positive: float) -> float:
    """Count the assignments of signs by their rank sum; ranks are doubled to be whole."""
    doubled = np.rint(2 * ranks).astype(int)
    chances = np.zeros(int(doubled.sum()) + 1)
    chances[0] = 1.0
    for rank in doubled:
        shifted = np.zeros_like(chances)
        shifted[rank:] = chances[: len(chances) - rank]
        chances = (chances + shifted) / 2
    place = round(2 * positive)
    return float(min(1.0, 2 * min(chances[: place + 1].sum(), chances[place:].sum())))
