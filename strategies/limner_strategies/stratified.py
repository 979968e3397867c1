"""Stratified random sampling: a random draw that no large group takes over.

The samples are put into strata: clusters of their embeddings (`strata` = `clusters`), or the class
that the model sees most of (`classes`). With `draw` = `proportional` each stratum has its share of
any number of first picks, so the draw is what simple random sampling is on average, with less
chance in it. With `equal` each has as many as the others, so rare ones come early. Within a stratum
every sample is as likely as another.

For shares the strata stand side by side, each as wide as its own; a place among them is drawn, and
each next one is a golden section further on: a systematic sample that may end anywhere. For equal
parts they have turns, in an order drawn anew for each round of them.

Random and systematic draws are strong baselines on volumes (Burmeister et al. 2022, arXiv
2207.00845). Needs `embedding`, `classes`, of which it uses one.

Takes O(min(n, 50,000) k d) for each iteration of k-means and O(n k d) to assign; by class O(n).
Of a pool of a million, 50,000 drawn at random decide where the clusters are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limner.plugin import IntArray, Need, Option, Pick, Pool, StrategyManifest
from limner_strategies.answer import answered
from limner_strategies.clustering import k_means
from limner_strategies.fallback import drawn_at_random
from limner_strategies.noise import sub_seed
from limner_strategies.option import text, whole
from limner_strategies.random_order import draws
from limner_strategies.space import assigned, space_of

manifest = StrategyManifest(
    name="stratified",
    version="1.0.0",
    factory=":Stratified",
    needs=frozenset({Need.EMBEDDING, Need.CLASSES}),
    title="At random, from every group of images",
    licence="Apache-2.0",
    options={
        "strata": Option(
            default="clusters",
            choices=("clusters", "classes"),
            help="What makes a group: images that are alike, or the class the model sees most of.",
        ),
        "draw": Option(
            default="proportional",
            choices=("proportional", "equal"),
            help="Whether a group has its share of the picks, or as many as every other.",
        ),
        "clusters": Option(
            default=20, minimum=2, maximum=500, help="How many clusters, where they are the groups."
        ),
    },
)

_STEP = (5**0.5 - 1) / 2
"""The golden section: no other step keeps any number of places so evenly apart."""


def stratified_rows(
    strata: IntArray, ids: IntArray, count: int, seed: int, proportional: bool
) -> IntArray:
    """Draw rows so that every stratum has its part of any number of first ones.

    Args:
        strata: (n,), the stratum of each.
        ids: (n,), distinct.
        count: How many rows; all of them where there are fewer.
        seed: Decides the draw.
        proportional: Whether a stratum's part goes by its size; else all have the same.

    Returns:
        (min(count, n),) rows, first drawn first. Takes O(n log n + count · strata).
    """
    drawn = draws(ids, seed)
    order = np.lexsort((drawn, strata))
    _, starts, sizes = np.unique(strata[order], return_index=True, return_counts=True)
    # The strata stand side by side in an order drawn anew, each as wide as its part.
    luck = np.argsort(drawn[order[starts]])
    starts, sizes = starts[luck], sizes[luck]
    taken = np.zeros(len(sizes), np.int64)
    random = np.random.default_rng(np.random.SeedSequence([abs(seed), 1]))
    place, turns = float(random.random()), list[int]()
    rows: list[int] = []
    for _ in range(max(0, min(count, len(ids)))):
        if proportional:
            place = (place + _STEP) % 1.0
            edges = np.cumsum(np.where(taken < sizes, sizes, 0))
            stratum = int(np.searchsorted(edges, place * edges[-1], side="right"))
        else:
            turns = turns or random.permutation(np.flatnonzero(taken < sizes)).tolist()
            stratum = turns.pop()
        rows.append(int(order[starts[stratum] + taken[stratum]]))
        taken[stratum] += 1
    return np.array(rows, np.int64)


class Stratified:
    """The strategy `stratified`."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Pick rows at random from every stratum. See `Strategy.pick`."""
        if text(pool, manifest, "strata") == "classes":
            fractions = pool.class_fractions
            if fractions is None or fractions.shape[1] < 2:
                why = "the model says nothing of classes, so "
                return drawn_at_random(pool, count, seed, why)
            known = np.flatnonzero(np.isfinite(fractions).all(axis=1))
            foreground = fractions[known, 1:]
            strata = np.where(foreground.max(axis=1) > 0, foreground.argmax(axis=1), -1)
            what = "whose largest class is the same"
        else:
            space = space_of(pool, seed)
            if space is None:
                return drawn_at_random(pool, count, seed)
            known = space.rows
            clusters = whole(pool, manifest, "clusters")
            centres = k_means(space.points, space.ids, clusters, sub_seed(seed, 1))
            strata = assigned(space.points, centres)
            what = "that are alike"
        proportional = text(pool, manifest, "draw") == "proportional"
        rows = stratified_rows(strata, pool.ids[known], count, seed, proportional)
        scores = 1.0 - np.arange(len(rows)) / max(1, len(rows))
        sizes = np.bincount(strata + 1)
        reasons = (
            f"it was drawn at random from {each} images {what}"
            for each in sizes[strata[rows] + 1].tolist()
        )
        return answered(pool, known[rows], scores, reasons, count, seed)
