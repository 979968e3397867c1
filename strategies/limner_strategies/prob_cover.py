"""ProbCover: samples whose neighbourhoods together cover most of the pool. For few labels.

Each sample covers what is closer to it than `δ`. Again and again the one that covers the most
samples that neither a labelled nor a picked one covers is taken; once all are covered, covering
begins anew. `δ` is the largest radius at which a share `purity` of the balls hold one cluster only,
the clusters of k-means standing in for classes (Yehuda et al. 2022, Active learning through a
covering lens). There are as many clusters as classes, as in the paper, unless `clusters` says.

As good as the embedding, and weak with far more clusters than there are kinds of image: the balls
are small then, and all go to where most of the pool is. Says nothing of what the model is unsure
of. Needs `classes` for their number, and `embedding`.

Takes O(n² d) time and n² bytes, so of a pool above 10,000, labelled samples included, so many drawn
at random are looked at: those cover for all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limner.plugin import IntArray, Need, Option, Pick, Pool, StrategyManifest
from limner_strategies.answer import answered
from limner_strategies.clustering import k_means
from limner_strategies.fallback import drawn_at_random
from limner_strategies.noise import Doubles, sub_seed
from limner_strategies.option import number, whole
from limner_strategies.random_order import random_rows
from limner_strategies.ranking import best
from limner_strategies.space import assigned, distance_blocks, space_of

manifest = StrategyManifest(
    name="probcover",
    version="1.0.0",
    factory=":ProbCover",
    needs=frozenset({Need.CLASSES, Need.EMBEDDING}),
    title="Neighbourhoods that cover the pool",
    licence="Apache-2.0",
    options={
        "clusters": Option(
            default=0,
            minimum=0,
            maximum=500,
            help="Clusters that stand in for classes; 0 for as many as there are classes.",
        ),
        "purity": Option(
            default=0.95,
            minimum=0.5,
            maximum=1.0,
            help="Share of neighbourhoods that hold one cluster only; larger makes them smaller.",
        ),
    },
)

MOST_POINTS = 10_000


def pure_radius(points: Doubles, clusters: IntArray, purity: float) -> float:
    """Return the largest radius at which a share of the open balls holds one cluster only.

    Args:
        points: (n, d), n at least 1.
        clusters: (n,).
        purity: The share, in (0, 1].

    Returns:
        Infinite where there is one cluster only.
    """
    pure_until = np.full(len(points), np.inf)
    for at, squared in distance_blocks(points, points):
        squared[clusters[at, None] == clusters] = np.inf
        pure_until[at] = np.sqrt(squared.min(axis=1))
    rank = len(points) - int(np.ceil(purity * len(points) - 1e-9))
    return float(np.partition(pure_until, rank)[rank])


def covering(points: Doubles, radius: float) -> npt.NDArray[np.bool_]:
    """Return which points each point covers, itself among them: (n, n)."""
    covers = np.empty((len(points), len(points)), bool)
    for at, squared in distance_blocks(points, points):
        covers[at] = squared < radius * radius
    np.fill_diagonal(covers, True)
    return covers


def cover(
    covers: npt.NDArray[np.bool_],
    is_labelled: npt.NDArray[np.bool_],
    ids: IntArray,
    count: int,
    seed: int,
) -> tuple[IntArray, IntArray]:
    """Pick the point that covers most of what is not covered, again and again.

    Args:
        covers: (n, n), which points each point covers.
        is_labelled: (n,), those that cover already and are not to be picked.
        ids: (n,), distinct.
        count: How many points; all that are not labelled where there are fewer.
        seed: Decides between equals.

    Returns:
        Rows, first picked first, and how many points each covered anew.
    """
    reach = covers.sum(axis=1)
    is_covered = np.asarray(covers[is_labelled].any(axis=0))
    gain = reach - covers[:, is_covered].sum(axis=1)
    gain[is_labelled] = -1
    rows, gains = [], []
    for _ in range(min(count, int((~is_labelled).sum()))):
        if gain.max() <= 0:  # all is covered: begin another layer
            is_covered[:] = False
            gain = np.where(gain < 0, -1, reach)
        row = best(gain, ids, seed)
        rows.append(row)
        gains.append(int(gain[row]))
        fresh = np.flatnonzero(covers[row] & ~is_covered)
        is_covered[fresh] = True
        gain = np.where(gain < 0, -1, gain - covers[:, fresh].sum(axis=1))
        gain[row] = -1
    return np.array(rows, np.int64), np.array(gains, np.int64)


class ProbCover:
    """The strategy `probcover`."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Pick rows whose neighbourhoods cover the pool. See `Strategy.pick`."""
        space = space_of(pool, seed)
        if space is None:
            return drawn_at_random(pool, count, seed)
        labelled = space.labelled
        some = random_rows(space.ids, MOST_POINTS - len(labelled), sub_seed(seed, 1))
        points = np.concatenate([space.points[some], labelled])
        ids = np.concatenate([space.ids[some], -1 - np.arange(len(labelled))])
        centres = k_means(points, ids, _clusters(pool), sub_seed(seed, 2))
        doubles = points.astype(np.float64)
        radius = pure_radius(doubles, assigned(points, centres), number(pool, manifest, "purity"))
        is_labelled = np.arange(len(points)) >= len(some)
        rows, gains = cover(covering(doubles, radius), is_labelled, ids, count, seed)
        reasons = (
            f"it stands for {each} images that nothing labelled or picked stands for"
            for each in gains.tolist()
        )
        return answered(pool, space.rows[some[rows]], gains, reasons, count, seed)


def _clusters(pool: Pool) -> int:
    asked = whole(pool, manifest, "clusters")
    classes = 0 if pool.class_scores is None else pool.class_scores.shape[1]
    return asked or max(2, classes)
