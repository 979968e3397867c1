"""Predictive entropy: the samples of which the serving model is least sure.

The app aggregates its voxel maps to one number per sample so that an object's size does not decide
(`Description.scores`). This is plain top-k over that number. Top-k buys similar samples where the
pool is redundant; noise or an embedding against that belongs to strategies of their own, so that
this one stays the published baseline.

References:
    Shannon 1948, A mathematical theory of communication; Settles 2009, Active learning literature
    survey, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limner.plugin import FloatArray, IntArray, Need, Pick, Pool, StrategyManifest
from limner_strategies.random_order import draws

manifest = StrategyManifest(
    name="entropy",
    version="1.0.0",
    factory=":Entropy",
    needs=frozenset({Need.SCORES}),
    title="Where the model is least sure",
    licence="Apache-2.0",
)


def highest(scores: FloatArray, ids: IntArray, count: int, seed: int) -> IntArray:
    """Return the rows with the highest scores, highest first.

    Equal scores are ordered by a draw from the id and the seed, and so are the rows without a score
    (NaN), which come after all others.

    Args:
        scores: (n,), NaN where nothing is known.
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


class Entropy:
    """The strategy `entropy`: highest `scores["entropy"]` first, undescribed rows last."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Pick the rows with the highest entropy. See `Strategy.pick`."""
        scores = pool.scores.get("entropy")
        if scores is None:
            scores = np.full(len(pool.ids), np.nan, np.float32)
        rows = highest(scores, pool.ids, count, seed)
        return [
            _known(row, score) if np.isfinite(score) else _unknown(row)
            for row, score in zip(rows.tolist(), scores[rows].tolist(), strict=True)
        ]


def _known(row: int, score: float) -> Pick:
    reason = f"the model is least sure here: entropy {score:.2f} of 1"
    return Pick(index=row, score=score, reason=reason)


def _unknown(row: int) -> Pick:
    return Pick(index=row, score=0.0, reason="the model has not looked at it yet; drawn at random")
