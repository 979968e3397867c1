"""ClaSP PE: uncertain samples of every class, with noise that fades over the rounds.

Of any number `B` of first picks, `floor(share · B)` are filled evenly over the classes, in an order
drawn anew for each turn: of each class the samples with the highest `p_c · H` (`class_scores`). The
others have the highest entropy. Each list is perturbed for itself, `ln s + g` with `g` from a
Gumbel distribution of scale `1/β_t` and `β_t = 100^(t / (rounds - 1))` in round `t`: the first
round explores, the last one follows the scores. The share is 0.66.

After ClaSP PE (2026, Transactions on Machine Learning Research), made for patches of volumes and
reported as the one method that generally beats foreground-aware random there. Here a sample is an
image or a whole volume, so what it says of patches within one image does not apply.

Needs `classes`, `scores`. Takes O(n · classes + count log count); a pool of a million is ranked
whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from limner.plugin import FloatArray, IntArray, Need, Option, Pick, Pool, StrategyManifest
from limner_strategies.answer import answered
from limner_strategies.fallback import by_score
from limner_strategies.noise import perturbed, sub_seed
from limner_strategies.option import ROUNDS, number, whole
from limner_strategies.ranking import highest
from limner_strategies.scores import ranked

manifest = StrategyManifest(
    name="clasp",
    version="1.0.0",
    factory=":Clasp",
    needs=frozenset({Need.CLASSES, Need.SCORES}),
    title="Unsure, evenly over the classes",
    licence="Apache-2.0",
    options={
        "share": Option(
            default=0.66,
            minimum=0.0,
            maximum=1.0,
            help="Share of picks that are spread over the classes; the others are the most unsure.",
        ),
        "rounds": ROUNDS,
    },
)

OVERALL = -1
"""Stands for a class where a sample was picked by its entropy."""

_LAST_BETA = 100.0


def fading_beta(promoted: int, rounds: int) -> float:
    """Return `β_t`: 1 for the first model's round, 100 from the last planned round on.

    Args:
        promoted: Model versions promoted so far: 1 in the first round that has a model.
        rounds: Planned rounds.

    Example:
        >>> [fading_beta(promoted, 3) for promoted in (1, 2, 3, 4)]
        [1.0, 10.0, 100.0, 100.0]
    """
    if rounds < 2:
        return _LAST_BETA
    passed = min(max(promoted - 1, 0), rounds - 1) / (rounds - 1)
    return float(_LAST_BETA**passed)


def clasp_rows(
    class_scores: FloatArray,
    entropy: FloatArray,
    ids: IntArray,
    count: int,
    seed: int,
    share: float,
    beta: float,
) -> tuple[IntArray, IntArray]:
    """Pick rows by class and by entropy in turns.

    Args:
        class_scores: (n, classes), finite.
        entropy: (n,), finite.
        ids: (n,), distinct.
        count: How many rows; all of them where there are fewer.
        seed: Decides the noise, the order of the classes and between equals.
        share: Of the rows, those picked by class.
        beta: Larger has less noise.

    Returns:
        (min(count, n),) rows, best first, and the class of each, or `OVERALL`.
    """
    count = max(0, min(count, len(ids)))
    classes = class_scores.shape[1]
    lists = [entropy, *class_scores.T]
    orders = []
    for index, scores in enumerate(lists):
        keys = perturbed(scores, ids, "power", beta, sub_seed(seed, 1, index))
        orders.append(iter(highest(keys, ids, count, sub_seed(seed, 2, index)).tolist()))
    random = np.random.default_rng(np.random.SeedSequence([abs(seed), 3]))
    turns: list[int] = []
    chosen: dict[int, int] = {}
    for place in range(count):
        # So every beginning of the queue has its share, however many of it are labelled.
        by_class = classes and math.floor(share * (place + 1)) > math.floor(share * place)
        if by_class and not turns:
            turns = random.permutation(classes).tolist()
        index = turns.pop() if by_class else OVERALL
        chosen[next(row for row in orders[index + 1] if row not in chosen)] = index
    return np.fromiter(chosen, np.int64, count), np.fromiter(chosen.values(), np.int64, count)


class Clasp:
    """The strategy `clasp`."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Pick unsure rows of every class. See `Strategy.pick`."""
        column = ranked(pool, ["entropy"])
        by_class = pool.class_scores
        if by_class is None:
            why = "the model says nothing of classes, so "
            return by_score(pool, column, count, seed, why)
        known = np.flatnonzero(np.isfinite(column.values) & np.isfinite(by_class).all(axis=1))
        beta = fading_beta(pool.round, whole(pool, manifest, "rounds"))
        share = number(pool, manifest, "share")
        by_class, entropy = by_class[known], column.values[known]
        rows, classes = clasp_rows(by_class, entropy, pool.ids[known], count, seed, share, beta)
        scores = np.where(classes == OVERALL, entropy[rows], by_class[rows, classes])
        reasons = (
            column.say(score)
            if index == OVERALL
            else f"the model is unsure of class {index + 1} here: {score:.2f} of 1"
            for index, score in zip(classes.tolist(), scores.tolist(), strict=True)
        )
        return answered(pool, known[rows], scores, reasons, count, seed)
