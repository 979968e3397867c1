"""TypiClust: a typical sample of every region that has no label yet. For the first few labels.

The labelled samples and the pool are put into `min(m + per_round, 500)` clusters by k-means, m the
number of labelled ones. Again and again the cluster with the fewest labelled or picked samples is
taken, of those the largest, and in it the most typical sample: the one with the smallest mean
distance to its `min(20, size / 2)` nearest neighbours among the unlabelled of its cluster. Clusters
of at most 5 come after all others (Hacohen, Dekel and Weinshall 2022, Active learning on a budget;
the constants are those of their code).

Says nothing of what the model is unsure of: switch to an uncertainty once the model is fair. As
good as the embedding. Needs `embedding`.

Takes O(min(n, 50,000) k d) for each iteration of k-means, O(n k d) to assign, and O(2,000² d) for
each cluster that is visited. Of a pool of a million, 50,000 drawn at random decide where the
clusters are, and of a cluster above 2,000 so many drawn at random are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray, IntArray, Need, Pick, Pool, StrategyManifest
from limner_strategies.answer import answered
from limner_strategies.clustering import k_means
from limner_strategies.fallback import drawn_at_random
from limner_strategies.noise import sub_seed
from limner_strategies.option import PER_ROUND, whole
from limner_strategies.random_order import draws, random_rows
from limner_strategies.space import assigned, distance_blocks, space_of

manifest = StrategyManifest(
    name="typiclust",
    version="1.0.0",
    factory=":TypiClust",
    needs=frozenset({Need.EMBEDDING}),
    title="Typical of what has no label yet",
    licence="Apache-2.0",
    options={"per_round": PER_ROUND},
)

MOST_CLUSTERS = 500
SMALL = 5
"""Clusters of at most so many come last."""
NEIGHBOURS = 20
MOST_MEMBERS = 2000
_LEAST_APART = 1e-5


def typicality(points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return one over the mean distance to the `min(20, n / 2)` nearest other points: (n,)."""
    count = max(1, min(NEIGHBOURS, len(points) // 2))
    if len(points) < 2:
        return np.ones(len(points))
    mean = np.empty(len(points))
    doubles = points.astype(np.float64)
    for at, squared in distance_blocks(doubles, doubles):
        squared[np.arange(len(squared)), np.arange(at.start, at.stop)] = np.inf
        closest = np.partition(squared, count - 1, axis=1)[:, :count]
        mean[at] = np.sqrt(closest).mean(axis=1)
    return 1.0 / (mean + _LEAST_APART)


def typical_rows(
    points: FloatArray, labelled: FloatArray, ids: IntArray, count: int, seed: int, per_round: int
) -> tuple[IntArray, npt.NDArray[np.float64]]:
    """Pick the most typical points of the clusters that have the fewest labels.

    Args:
        points: (n, d).
        labelled: (m, d).
        ids: (n,), distinct.
        count: How many points; all of them where there are fewer.
        seed: Decides the clusters, and between equals.
        per_round: So many clusters more than there are labelled points.

    Returns:
        Rows, best first, and the typicality of each. Fewer than asked only where members of large
        clusters were left out.
    """
    clusters = min(len(labelled) + min(per_round, max(count, 1)), MOST_CLUSTERS)
    # Labelled points have no id in the pool; negative numbers are nobody's.
    everything = np.concatenate([points, labelled])
    numbers = np.concatenate([ids, -1 - np.arange(len(labelled))])
    centres = k_means(everything, numbers, clusters, sub_seed(seed, 1))
    homes = assigned(everything, centres)
    sizes = np.bincount(homes, minlength=len(centres))
    visits = np.bincount(homes[len(points) :], minlength=len(centres))
    members = _Members(points, ids, homes[: len(points)], seed)
    order = draws(np.arange(len(centres)), seed)
    left = np.bincount(homes[: len(points)], minlength=len(centres))
    left = np.minimum(left, MOST_MEMBERS)
    rows, scores = [], []
    for _ in range(min(count, int(left.sum()))):
        is_small = sizes <= SMALL
        cluster = int(np.lexsort((order, -sizes, visits, is_small, left <= 0))[0])
        row, score = members.next(cluster)
        rows.append(row)
        scores.append(score)
        visits[cluster] += 1
        left[cluster] -= 1
    return np.array(rows, np.int64), np.array(scores)


class _Members:
    """The unlabelled members of each cluster, most typical first; looked at when asked for."""

    def __init__(self, points: FloatArray, ids: IntArray, homes: IntArray, seed: int) -> None:
        self._points, self._ids, self._seed = points, ids, seed
        self._by_cluster = np.argsort(homes, kind="stable")
        self._starts = np.searchsorted(homes[self._by_cluster], np.arange(homes.max() + 2))
        self._queues: dict[int, list[tuple[int, float]]] = {}

    def next(self, cluster: int) -> tuple[int, float]:
        if cluster not in self._queues:
            start, end = self._starts[cluster : cluster + 2]
            rows = self._by_cluster[start:end]
            rows = rows[random_rows(self._ids[rows], MOST_MEMBERS, sub_seed(self._seed, 2))]
            scores = typicality(self._points[rows])
            order = np.lexsort((draws(self._ids[rows], self._seed), -scores))[::-1]
            self._queues[cluster] = list(
                zip(rows[order].tolist(), scores[order].tolist(), strict=True)
            )
        return self._queues[cluster].pop()


class TypiClust:
    """The strategy `typiclust`."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Pick typical rows of regions without a label. See `Strategy.pick`."""
        space = space_of(pool, seed)
        if space is None:
            return drawn_at_random(pool, count, seed)
        per_round = whole(pool, manifest, "per_round")
        rows, scores = typical_rows(space.points, space.labelled, space.ids, count, seed, per_round)
        reasons = (
            f"it is typical of images that have no label yet: typicality {each:.2f}"
            for each in scores
        )
        return answered(pool, space.rows[rows], scores, reasons, count, seed)
