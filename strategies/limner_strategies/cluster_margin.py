"""Cluster-Margin: the closest calls, spread over clusters, rare ones first.

The samples are clustered once by average linkage into clusters of ten on average. Of each batch
the `shortlist` times as many samples with the smallest margins are kept, and picked from by going
round their clusters, from the one with the fewest kept to the one with the most, a random sample
each time (Citovsky et al. 2021, Batch active learning at scale).

Where the app gives no margin, entropy decides, and the reasons say so. Labelled samples do not
count. Needs `scores`, `embedding`.

Average linkage takes O(n²) time and memory. Of a pool above 5,000 it is of the samples of all
batches with the smallest margins, as many as fit, filled up at random; what is kept beside those
belongs to the cluster of the nearest. Everything else takes O(n).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limner.plugin import IntArray, Need, Option, Pick, Pool, StrategyManifest
from limner_strategies.answer import answered
from limner_strategies.clustering import average_linkage
from limner_strategies.fallback import by_score
from limner_strategies.noise import sub_seed
from limner_strategies.option import PER_ROUND, whole
from limner_strategies.random_order import draws, random_rows
from limner_strategies.ranking import highest
from limner_strategies.scores import ranked
from limner_strategies.space import Space, assigned, space_of

manifest = StrategyManifest(
    name="cluster-margin",
    version="1.0.0",
    factory=":ClusterMargin",
    needs=frozenset({Need.SCORES, Need.EMBEDDING}),
    title="The closest calls, spread over clusters",
    licence="Apache-2.0",
    options={
        "per_round": PER_ROUND,
        "shortlist": Option(
            default=10,
            minimum=1,
            maximum=1000,
            help="So many times a batch are kept for the smallest margins before it is spread.",
        ),
    },
)

MOST_POINTS = 5000
_CLUSTER_SIZE = 10


def round_robin(clusters: IntArray, ids: IntArray, count: int, seed: int) -> IntArray:
    """Go round clusters, the smallest first, and take a random member of each.

    Args:
        clusters: (n,), the cluster of each.
        ids: (n,), distinct; the draw goes by them.
        count: How many; all of them where there are fewer.
        seed: Decides which members, and between clusters of one size.

    Returns:
        (min(count, n),) places.
    """
    numbers, homes, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    drawn = draws(ids, seed)
    order = np.lexsort((drawn, homes))
    turn = np.empty(len(ids), np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    turn[order] = np.arange(len(ids)) - np.repeat(starts, sizes)
    # A cluster is told from another of its size by its first member's draw.
    first = np.full(len(numbers), np.iinfo(np.int64).max)
    np.minimum.at(first, homes, drawn)
    places = np.lexsort((first[homes], sizes[homes], turn))
    return places[: max(0, count)].astype(np.int64)


class ClusterMargin:
    """The strategy `cluster-margin`."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Pick close calls from different clusters. See `Strategy.pick`."""
        column = ranked(pool, ["margin"])
        is_scored = np.isfinite(column.values)
        space = space_of(pool, seed, is_scored)
        if not is_scored.any():
            return by_score(pool, column, count, seed, why="")
        if space is None:
            return by_score(pool, column, count, seed)
        scores = column.values[space.rows]
        per_round = whole(pool, manifest, "per_round")
        kept = whole(pool, manifest, "shortlist") * per_round
        ranking = highest(scores, space.ids, min(len(scores), count + kept), seed)
        clusters = _clusters(space, ranking, sub_seed(seed, 1))
        rows = _in_batches(ranking, clusters, space.ids, count, per_round, kept, seed)
        reasons = (f"{column.say(each)}; of a cluster of its own" for each in scores[rows].tolist())
        return answered(pool, space.rows[rows], scores[rows], reasons, count, seed)


def _clusters(space: Space, ranking: IntArray, seed: int) -> IntArray:
    """Return the cluster of each of some rows: (len(ranking),)."""
    if len(space.rows) <= MOST_POINTS:
        used = random_rows(space.ids, MOST_POINTS, seed)
    else:
        others = np.setdiff1d(np.arange(len(space.rows)), ranking[:MOST_POINTS])
        room = max(0, MOST_POINTS - len(ranking))
        filling = others[random_rows(space.ids[others], room, seed)]
        used = np.concatenate([ranking[:MOST_POINTS], filling])
        used = used[random_rows(space.ids[used], MOST_POINTS, seed)]
    points = space.points[used]
    found = average_linkage(points, -(-len(used) // _CLUSTER_SIZE))
    clusters: npt.NDArray[np.int64] = found[
        assigned(space.points[ranking], points.astype(np.float64))
    ]
    place = np.full(len(space.rows), -1)
    place[used] = np.arange(len(used))
    at = place[ranking]
    return np.where(at >= 0, found[at], clusters)


def _in_batches(
    ranking: IntArray,
    clusters: IntArray,
    ids: IntArray,
    count: int,
    per_round: int,
    kept: int,
    seed: int,
) -> IntArray:
    chosen: list[int] = []
    left = np.arange(len(ranking))
    while len(chosen) < count and len(left):
        some = left[:kept]
        size = min(per_round, count - len(chosen))
        taken = some[round_robin(clusters[some], ids[ranking[some]], size, seed)]
        chosen += ranking[taken].tolist()
        left = np.setdiff1d(left, taken, assume_unique=True)
    return np.array(chosen, np.int64)
