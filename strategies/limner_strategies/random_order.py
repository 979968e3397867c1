"""Random sampling without replacement: the opponent that every other strategy must beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limner.plugin import IntArray, Pick, Pool, StrategyManifest

manifest = StrategyManifest(
    name="random",
    version="1.0.0",
    factory=":RandomOrder",
    needs=frozenset(),
    title="In random order",
    licence="Apache-2.0",
)


def draws(ids: IntArray, seed: int) -> IntArray:
    """Draw one number for every id, as good as uniform over all 64-bit numbers.

    A number depends on its id and the seed alone, so the order of the rows and what else is in the
    pool do not matter: a sample that stays in the pool keeps its place relative to the others.

    Args:
        ids: (n,).
        seed: Any integer; another seed draws anew.

    Returns:
        (n,) int64.

    References:
        Steele, Lea and Flood 2014, Fast splittable pseudorandom number generators: the mixing
        function is their SplitMix64.
    """
    start = np.random.SeedSequence(abs(seed)).generate_state(1, np.uint64)[0]
    z = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + start
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    drawn: IntArray = (z ^ (z >> np.uint64(31))).view(np.int64)
    return drawn


def random_rows(ids: IntArray, count: int, seed: int) -> IntArray:
    """Draw `count` rows without replacement, every order equally likely.

    Args:
        ids: (n,), distinct.
        count: How many rows; all of them where there are fewer.
        seed: Decides the draw.

    Returns:
        (min(count, n),) rows of `ids`, first drawn first. Takes O(n + count log count).
    """
    count = max(0, min(count, len(ids)))
    if count == 0:
        return np.empty(0, np.int64)
    drawn = draws(ids, seed)
    rows = np.argpartition(drawn, count - 1)[:count]
    return rows[np.argsort(drawn[rows])].astype(np.int64)


class RandomOrder:
    """The strategy `random`: needs no model, so it can open a project."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Pick rows at random. See `Strategy.pick`."""
        rows = random_rows(pool.ids, count, seed).tolist()
        return [
            Pick(index=row, score=1 - place / len(rows), reason="it was drawn at random")
            for place, row in enumerate(rows)
        ]
