"""A strategy in one file: the images in which the model finds least are labelled first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limner.plugin import FloatArray, IntArray, Need, Pick, Pool, StrategyManifest

manifest = StrategyManifest(
    name="smallest-foreground",
    version="1.0.0",
    factory=":SmallestForeground",
    needs=frozenset({Need.CLASSES}),
    title="Least foreground first",
    licence="Apache-2.0",
)


def smallest_first(background: FloatArray, count: int, seed: int) -> IntArray:
    """Order rows by their share of background, largest first; ties and unknown ones by the seed."""
    noise = np.random.default_rng(seed).random(len(background))
    share = np.where(np.isnan(background), -1.0, background)
    return np.lexsort((noise, -share))[:count]


class SmallestForeground:
    """Adapts `smallest_first` to the contract."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Return the rows in which the model sees least."""
        if pool.class_fractions is None:
            background = np.full(len(pool.ids), np.nan, dtype=np.float32)
        else:
            background = pool.class_fractions[:, 0]
        return [
            Pick(index=int(row), score=known(background[row]), reason="little was found here")
            for row in smallest_first(background, count, seed)
        ]


def known(share: float) -> float:
    """Return the share, or 0 where the model has not seen the sample."""
    return 0.0 if np.isnan(share) else float(share)
