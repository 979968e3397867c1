"""CLUE: the middle of each cluster of uncertain samples.

k-means puts the embeddings into `per_round` clusters, each sample with its entropy as its weight,
so that clusters lie where the model is unsure; of each, the sample nearest to its centre is picked,
then the next nearest (Prabhu et al. 2021, Active domain adaptation via clustering
uncertainty-weighted embeddings). Clusters come in the order of the uncertainty that they hold.

Where the app gives no entropy all samples weigh the same. Labelled samples do not count. Needs
`scores`, `embedding`.

Takes O(min(n, 50,000) k d) for each iteration of k-means and O(n k (d + log count)) to find what is
near. Of a pool of a million, 50,000 drawn at random decide where the clusters are; the samples
nearest to them are found among all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray, IntArray, Need, Pick, Pool, StrategyManifest
from limner_strategies.answer import answered
from limner_strategies.clustering import k_means
from limner_strategies.fallback import by_score
from limner_strategies.noise import sub_seed
from limner_strategies.option import PER_ROUND, whole
from limner_strategies.scores import ranked
from limner_strategies.space import assigned, distance_blocks, space_of

manifest = StrategyManifest(
    name="clue",
    version="1.0.0",
    factory=":Clue",
    needs=frozenset({Need.SCORES, Need.EMBEDDING}),
    title="The middle of what the model is unsure of",
    licence="Apache-2.0",
    options={"per_round": PER_ROUND},
)


def closest(points: FloatArray, centres: FloatArray, count: int) -> tuple[IntArray, FloatArray]:
    """Return the rows closest to each centre, closest first, and their squared distances.

    Args:
        points: (n, d).
        centres: (k, d).
        count: How many for each centre; all of them where there are fewer.

    Returns:
        (k, min(count, n)) each. Takes O(n k d) and bounded memory.
    """
    rows = np.empty((len(centres), 0), np.int64)
    apart = np.empty((len(centres), 0), np.float32)
    for at, squared in distance_blocks(points, centres):
        here = np.broadcast_to(np.arange(at.start, at.stop), squared.T.shape)
        rows = np.concatenate([rows, here], axis=1)
        apart = np.concatenate([apart, squared.T], axis=1)
        if rows.shape[1] > count:
            kept = np.argpartition(apart, count - 1, axis=1)[:, :count]
            rows = np.take_along_axis(rows, kept, axis=1)
            apart = np.take_along_axis(apart, kept, axis=1)
    order = np.argsort(apart, axis=1, kind="stable")
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(apart, order, axis=1)


def middle_rows(points: FloatArray, centres: FloatArray, order: IntArray, count: int) -> IntArray:
    """Pick the point closest to each centre in turn, then the next closest to each, and so on.

    Args:
        points: (n, d).
        centres: (k, d).
        order: (k,), in which the centres have their turns.
        count: How many points; all of them where there are fewer.
    """
    count = max(0, min(count, len(points)))
    near = closest(points, centres, max(1, count))[0]
    queues = [iter(near[centre].tolist()) for centre in order.tolist()]
    chosen: dict[int, None] = {}
    while len(chosen) < count:
        for queue in queues:
            row = next((each for each in queue if each not in chosen), None)
            if row is not None and len(chosen) < count:
                chosen[row] = None
    return np.fromiter(chosen, np.int64, len(chosen))


class Clue:
    """The strategy `clue`."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Pick the middles of uncertain clusters. See `Strategy.pick`."""
        column = ranked(pool, ["entropy"])
        is_scored = np.isfinite(column.values)
        space = space_of(pool, seed, is_scored if is_scored.any() else None)
        if space is None:
            return by_score(pool, column, count, seed)
        weights: npt.NDArray[np.float32] = np.ones(len(space.rows), np.float32)
        if is_scored.any():
            weights = np.maximum(column.values[space.rows], 0.0)
        clusters = min(whole(pool, manifest, "per_round"), max(count, 1))
        centres = k_means(space.points, space.ids, clusters, sub_seed(seed, 1), weights)
        held = np.bincount(assigned(space.points, centres), weights, minlength=len(centres))
        rows = middle_rows(space.points, centres, np.argsort(-held, kind="stable"), count)
        unsure = (
            f"{column.missing}it is in the middle of images that the model is unsure of: entropy"
        )
        reasons = (
            f"{unsure} {each:.2f} of 1" if column.name else f"{column.missing}it is in the middle"
            for each in weights[rows].tolist()
        )
        return answered(pool, space.rows[rows], weights[rows], reasons, count, seed)
