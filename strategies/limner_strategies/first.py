"""First come, first served: samples in the order in which they were taken in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limner.plugin import IntArray, Pick, Pool, StrategyManifest

manifest = StrategyManifest(
    name="first",
    version="1.0.0",
    factory=":First",
    needs=frozenset(),
    title="In the order of arrival",
    licence="Apache-2.0",
)


def lowest_ids(ids: IntArray, count: int) -> IntArray:
    """Return the rows of the `count` lowest ids, lowest first.

    Args:
        ids: (n,), distinct, in any order.
        count: How many rows; all of them where there are fewer.

    Returns:
        (min(count, n),) rows of `ids`. Takes O(n + count log count).
    """
    count = max(0, min(count, len(ids)))
    if count == 0:
        return np.empty(0, np.int64)
    rows = np.argpartition(ids, count - 1)[:count]
    return rows[np.argsort(ids[rows])].astype(np.int64)


class First:
    """The strategy `first`: needs no model, and no luck to be understood."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Pick the samples that came first; the seed decides nothing. See `Strategy.pick`."""
        rows = lowest_ids(pool.ids, count).tolist()
        return [
            Pick(index=row, score=1 - place / len(rows), reason="it came in first of what is left")
            for place, row in enumerate(rows)
        ]
