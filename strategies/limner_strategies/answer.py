"""From chosen rows to picks: with a reason each, and the other rows after them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import IntArray, Pick, Pool
from limner_strategies.random_order import random_rows

UNSEEN = "the model has not looked at it yet; drawn at random"
LEFT = "it is beside those that the strategy chose from; drawn at random"


def described(pool: Pool) -> npt.NDArray[np.bool_]:
    """Return of which rows the model has said anything: (n,)."""
    columns: list[npt.NDArray[Any]] = list(pool.scores.values())
    for array in (pool.class_scores, pool.class_fractions, pool.embedding):
        if array is not None and array.shape[1]:
            columns.append(array[:, 0])
    known = np.zeros(len(pool.ids), bool)
    for column in columns:
        known |= np.isfinite(column)
    return known


def answered(
    pool: Pool,
    rows: IntArray,
    scores: npt.NDArray[Any],
    reasons: Iterable[str],
    count: int,
    seed: int,
    left: str = LEFT,
) -> Sequence[Pick]:
    """Make picks of rows, best first, and add others at random until there are enough.

    Args:
        pool: The pool.
        rows: (k,), distinct and all of them described.
        scores: (k,), finite.
        reasons: One for each row.
        count: How many picks are wanted.
        seed: Decides which others.
        left: The reason of a row that is described and was not chosen.

    Returns:
        `min(count, n)` picks: those of `rows`, described ones, then undescribed ones.
    """
    chosen = rows[: max(0, count)]
    picks = [
        Pick(index=row, score=score, reason=reason)
        for row, score, reason in zip(
            chosen.tolist(), scores[: len(chosen)].tolist(), reasons, strict=False
        )
    ]
    missing = min(count, len(pool.ids)) - len(picks)
    if missing <= 0:
        return picks
    rest = np.ones(len(pool.ids), bool)
    rest[chosen] = False
    known = described(pool)
    for wanted, reason in ((rest & known, left), (rest & ~known, UNSEEN)):
        others = np.flatnonzero(wanted)
        drawn = others[random_rows(pool.ids[others], missing, seed)].tolist()
        picks += [Pick(index=row, score=0.0, reason=reason) for row in drawn]
        missing -= len(drawn)
    return picks
