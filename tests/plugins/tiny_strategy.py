"""A tiny strategy: the highest entropy first, or the newest where nothing is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limner.plugin import Need, Pick, Pool, StrategyManifest

manifest = StrategyManifest(
    name="tiny",
    version="1.0.0",
    factory=":TinyStrategy",
    needs=frozenset({Need.SCORES}),
    title="Highest entropy, then newest",
    licence="Apache-2.0",
)


class TinyStrategy:
    """Orders by entropy; rows without one come last, newest first."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        entropy = pool.scores.get("entropy", np.full(len(pool.ids), np.nan, np.float32))
        known = np.nan_to_num(entropy.astype(np.float64), nan=-1.0)
        order = np.lexsort((-pool.ids, -known))[:count]
        return [
            Pick(
                index=int(row),
                score=float(known[row]),
                reason="high entropy" if known[row] >= 0 else "newest",
            )
            for row in order
        ]
