"""Uncertain, then diverse: a shortlist of unsure samples, and from it those least alike.

For each batch of `per_round`, the `kappa` times as many samples with the highest score make the
shortlist, and k-centre picks from it, far from what is labelled or picked already (as do Yang et
al. 2017, Suggestive annotation, and the two stages of PPAL, Yang et al. 2024). With `noise` the
shortlist is drawn as ClaSP PE does: `ln s + g`, where `g` fades over the planned `rounds`.

The score is one that the app gives, `entropy` unless the option `score` names another. Needs
`scores`, `embedding`.

Takes O(n log n) for the shortlists, O(kappa · count · (m + count) · d) to pick from them, m the
number of labelled samples, and O(n d) memory. A pool of a million is ranked whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray, IntArray, Need, Option, Pick, Pool, StrategyManifest
from limner_strategies.answer import answered
from limner_strategies.clasp import fading_beta
from limner_strategies.core_set import k_centre
from limner_strategies.fallback import by_score
from limner_strategies.noise import perturbed, sub_seed
from limner_strategies.option import PER_ROUND, ROUNDS, SCORE, option, text, whole
from limner_strategies.ranking import highest
from limner_strategies.scores import ranked
from limner_strategies.space import space_of

manifest = StrategyManifest(
    name="uncertain-then-diverse",
    version="1.0.0",
    factory=":UncertainThenDiverse",
    needs=frozenset({Need.SCORES, Need.EMBEDDING}),
    title="Unsure, and unlike each other",
    licence="Apache-2.0",
    options={
        "score": SCORE,
        "per_round": PER_ROUND,
        "kappa": Option(
            default=5,
            minimum=1,
            maximum=1000,
            help="So many times a batch are on the shortlist; 1 is the score alone.",
        ),
        "noise": Option(default=True, help="Draw the shortlist with noise that fades."),
        "rounds": ROUNDS,
    },
)


def diverse_rows(
    keys: npt.NDArray[np.floating],
    points: FloatArray,
    labelled: FloatArray,
    ids: IntArray,
    count: int,
    seed: int,
    per_round: int,
    kappa: int,
) -> IntArray:
    """Shortlist the highest keys and pick by k-centre from them, batch by batch.

    Args:
        keys: (n,), without NaN.
        points: (n, d).
        labelled: (m, d).
        ids: (n,), distinct.
        count: How many rows; all of them where there are fewer.
        seed: Decides between equals.
        per_round: Size of a batch.
        kappa: The shortlist is so many times the batch.

    Returns:
        (min(count, n),) rows, first picked first.
    """
    size = kappa * per_round
    # What is picked leaves the ranking, so each batch sees as many more as were picked before.
    ranking = highest(keys, ids, min(len(keys), max(0, count) + size), seed)
    chosen = np.empty(0, np.int64)
    while len(chosen) < min(count, len(keys)):
        shortlist = ranking[:size]
        covered = np.concatenate([labelled, points[chosen]])
        wanted = min(per_round, count - len(chosen))
        first = None if len(covered) else 0
        found, _ = k_centre(
            points[shortlist], covered, ids[shortlist], wanted, sub_seed(seed, len(chosen)), first
        )
        chosen = np.concatenate([chosen, shortlist[found]])
        ranking = np.delete(ranking, found)
    return chosen


class UncertainThenDiverse:
    """The strategy `uncertain-then-diverse`."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Pick rows that are unsure and unlike each other. See `Strategy.pick`."""
        column = ranked(pool, [text(pool, manifest, "score")])
        is_scored = np.isfinite(column.values)
        space = space_of(pool, seed, is_scored)
        if not is_scored.any():
            return by_score(pool, column, count, seed, why="")
        if space is None:
            return by_score(pool, column, count, seed)
        scores = column.values[space.rows]
        way = "power" if option(pool, manifest, "noise") else "top"
        beta = fading_beta(pool.round, whole(pool, manifest, "rounds"))
        rows = diverse_rows(
            perturbed(scores, space.ids, way, beta, sub_seed(seed, 1)),
            space.points,
            space.labelled,
            space.ids,
            count,
            seed,
            whole(pool, manifest, "per_round"),
            whole(pool, manifest, "kappa"),
        )
        reasons = (
            f"{column.say(each)}; and nothing labelled or picked is like it"
            for each in scores[rows].tolist()
        )
        return answered(pool, space.rows[rows], scores[rows], reasons, count, seed)
