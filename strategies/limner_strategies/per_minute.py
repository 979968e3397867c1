"""Value per minute: the score of a sample over the time that labelling it will take.

`s_i / T_i^γ`, highest first, where `s` is one of the app's scores and `T` the predicted minutes
(after Kuo et al. 2018, Cost-sensitive active learning for intracranial hemorrhage detection). With
`γ` = 1 it is what each minute buys; less weighs time less, and keeps the trivial images from coming
first; 0 is the score alone. Where the minutes of a sample are unknown, the median of the known ones
stands for them; where all are, the score decides alone, and the reasons say so.

With a budget of `minutes` the picks that fit it come first: going down the order, what still fits
is taken; where the single best sample that fits is worth more than all these, it is taken in their
place. So with `γ` = 1 the value is at least half of the best possible (the greedy bound of the
knapsack problem). What does not fit follows.

Needs `scores`, `cost`. Takes O(n log n) with a budget, else O(n + count log count); a pool of a
million is ranked whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray, IntArray, Need, Option, Pick, Pool, StrategyManifest
from limner_strategies.answer import answered
from limner_strategies.fallback import by_score
from limner_strategies.noise import Doubles
from limner_strategies.option import SCORE, number, text
from limner_strategies.ranking import highest
from limner_strategies.scores import ranked

manifest = StrategyManifest(
    name="per-minute",
    version="1.0.0",
    factory=":PerMinute",
    needs=frozenset({Need.SCORES, Need.COST}),
    title="Most unsure for the time it takes",
    licence="Apache-2.0",
    options={
        "score": SCORE,
        "gamma": Option(
            default=1.0,
            minimum=0.0,
            maximum=1.0,
            help="How much time weighs: 1 is the score per minute, 0 the score alone.",
        ),
        "minutes": Option(
            default=0.0,
            minimum=0.0,
            maximum=100_000.0,
            help="Budget of a queue; 0 for none.",
        ),
    },
)

_SHORTEST = 1e-3
"""Minutes that anything takes at least, so that nothing is worth infinitely much."""


def filled_in(minutes: FloatArray) -> Doubles:
    """Return minutes (n,) with the median of the known ones for the unknown; 1 where none are."""
    known = minutes[np.isfinite(minutes)].astype(np.float64)
    usual = float(np.median(known)) if len(known) else 1.0
    whole: Doubles = np.where(np.isfinite(minutes), minutes, usual).astype(np.float64)
    return np.maximum(whole, _SHORTEST)


def rates(scores: npt.NDArray[np.floating], minutes: Doubles, gamma: float) -> Doubles:
    """Return `s / T^γ`: (n,)."""
    worth: Doubles = scores.astype(np.float64) / minutes**gamma
    return worth


def within(
    order: IntArray, scores: npt.NDArray[np.floating], minutes: Doubles, budget: float
) -> IntArray:
    """Return the rows that a budget is spent on, in the order given.

    Args:
        order: Rows, those with the highest rate first.
        scores: (n,).
        minutes: (n,).
        budget: Minutes that there are.

    Returns:
        Rows that together take at most the budget.
    """
    left = budget
    taken = []
    for row, cost in zip(order.tolist(), minutes[order].tolist(), strict=True):
        if cost <= left:
            left -= cost
            taken.append(row)
    fitting = order[minutes[order] <= budget]
    if len(fitting):
        single = int(fitting[scores[fitting].argmax()])
        if scores[single] > scores[np.array(taken, np.int64)].sum():
            taken = [single]
    return np.array(taken, np.int64)


class PerMinute:
    """The strategy `per-minute`."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Pick rows by what a minute of labelling buys. See `Strategy.pick`."""
        column = ranked(pool, [text(pool, manifest, "score")])
        known = np.flatnonzero(np.isfinite(column.values))
        if pool.cost is None or not np.isfinite(pool.cost[known]).any():
            why = "how long labelling takes is not known yet, so "
            return by_score(pool, column, count, seed, why)
        scores, ids, minutes = column.values[known], pool.ids[known], filled_in(pool.cost[known])
        worth = rates(scores, minutes, number(pool, manifest, "gamma"))
        budget = number(pool, manifest, "minutes")
        if budget > 0:
            order = highest(worth, ids, len(ids), seed)
            affordable = within(order, scores, minutes, budget)[: max(0, count)]
            rows = np.concatenate([affordable, order[~np.isin(order, affordable)]])
        else:
            affordable = np.empty(0, np.int64)
            rows = highest(worth, ids, count, seed)
        rows = rows[: max(0, count)]
        over = f"; over the budget of {budget:g} minutes" if budget > 0 else ""
        reasons = (
            f"{column.say(score)}, for {cost:.1f} minutes{'' if place < len(affordable) else over}"
            for place, (score, cost) in enumerate(
                zip(scores[rows].tolist(), minutes[rows].tolist(), strict=True)
            )
        )
        return answered(pool, known[rows], worth[rows], reasons, count, seed)
