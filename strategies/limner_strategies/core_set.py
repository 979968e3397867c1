"""Core-set: samples that leave no other far away (k-centre, greedy).

`i* = argmax_i min_j |z_i - z_j|` over the labelled samples and those picked so far, again and again
(Sener and Savarese 2018, Active learning for convolutional neural networks: a core-set approach).
The largest distance that is left is at most twice the smallest possible (Gonzalez 1985). Without
any labelled sample the first is drawn at random.

Weak while there are very few labels, and where outliers are junk: the first picks *are* the
outliers. Needs `embedding`. Takes O(n (m + count) d) for m labelled samples, of which at most 4,096
count, and O(n d) memory, so a pool of a million is searched whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray, IntArray, Need, Pick, Pool, StrategyManifest
from limner_strategies.answer import answered
from limner_strategies.fallback import drawn_at_random
from limner_strategies.ranking import best
from limner_strategies.space import distances_to, nearest, norms, space_of

manifest = StrategyManifest(
    name="core-set",
    version="1.0.0",
    factory=":CoreSet",
    needs=frozenset({Need.EMBEDDING}),
    title="Far from everything labelled",
    licence="Apache-2.0",
)


def k_centre(
    points: FloatArray,
    covered: FloatArray,
    ids: IntArray,
    count: int,
    seed: int,
    first: int | None = None,
) -> tuple[IntArray, npt.NDArray[np.float64]]:
    """Pick the point farthest from all that are covered or picked, again and again.

    Args:
        points: (n, d).
        covered: (m, d), points that are covered already.
        ids: (n,), distinct.
        count: How many points; all of them where there are fewer.
        seed: Decides between equals, and where nothing is covered the first.
        first: The point to begin with; the farthest, or a random one, when None.

    Returns:
        (min(count, n),) rows, and the distance of each when it was picked; that of a first one with
        nothing covered is the distance to the farthest other.
    """
    count = max(0, min(count, len(points)))
    rows = np.empty(count, np.int64)
    apart = np.zeros(count)
    lengths = norms(points)
    least = nearest(points, covered)
    for place in range(count):
        row = first if place == 0 and first is not None else best(least, ids, seed)
        rows[place], apart[place] = row, np.sqrt(least[row])
        squared = distances_to(points, lengths, points[row])
        if not np.isfinite(apart[place]):
            apart[place] = np.sqrt(squared.max())
        least = np.minimum(least, squared, out=least)
        least[rows[: place + 1]] = -1.0
    return rows, apart


class CoreSet:
    """The strategy `core-set`."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Pick rows far from everything labelled or picked. See `Strategy.pick`."""
        space = space_of(pool, seed)
        if space is None:
            return drawn_at_random(pool, count, seed)
        rows, apart = k_centre(space.points, space.labelled, space.ids, count, seed)
        reasons = (f"nothing labelled or picked is like it: distance {each:.2f}" for each in apart)
        return answered(pool, space.rows[rows], apart, reasons, count, seed)
