"""Ordering rows by a score: the highest first, equals in an order drawn from the seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import IntArray
from limner_strategies.random_order import draws


def highest(scores: npt.NDArray[Any], ids: IntArray, count: int, seed: int) -> IntArray:
    """Return the rows with the highest scores, highest first.

    Equal scores are ordered by a draw from the id and the seed, and so are the rows without a score
    (NaN), which come after all others.

    Args:
        scores: (n,) floats, NaN where nothing is known.
        ids: (n,), distinct.
        count: How many rows; all of them where there are fewer.
        seed: Decides between equals.

    Returns:
        (min(count, n),) rows. Takes O(n + count log count).
    """
    count = max(0, min(count, len(ids)))
    if count == 0:
        return np.empty(0, np.int64)
    # The unknown sink below every finite score; a plugin's infinity would still be above them.
    keys = np.where(np.isnan(scores), -np.inf, scores).astype(np.float64)
    edge = -np.partition(-keys, count - 1)[count - 1]
    above = np.flatnonzero(keys > edge)
    level = np.flatnonzero(keys == edge)
    drawn = draws(ids[level], seed)
    left = count - len(above)
    chosen = np.concatenate([above, level[np.argpartition(drawn, left - 1)[:left]]])
    order = np.lexsort((draws(ids[chosen], seed), -keys[chosen]))
    return chosen[order].astype(np.int64)


def best(scores: npt.NDArray[Any], ids: IntArray, seed: int) -> int:
    """Return the row with the highest score; of equals, the one that `highest` names first.

    Args:
        scores: (n,) without NaN, n at least 1.
        ids: (n,), distinct.
        seed: Decides between equals.
    """
    tied = np.flatnonzero(scores == scores.max())
    return int(tied[draws(ids[tied], seed).argmin()])
