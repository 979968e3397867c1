"""Foreground-aware random sampling: the random that is hard to beat where background is most.

For each pick: with probability `share` one of the classes that the model sees anywhere, each as
likely as another, and then a sample with probability proportional to how much of the class is
predicted there; else any sample at all. Without replacement.

This is the image-level form of what nnActive calls FG66 (`share` 2/3) and FG33 (1/3) (Lüth et al.
2025, where no method reliably beats it). There the truth says where foreground is; here it is the
serving model's own word, so a class that the model misses altogether comes by the other third only.

Needs `classes`. Takes O(n · classes + count log count): of each class, `count` samples are drawn
ahead by an exponential race, which is exact. A pool of a million is drawn from whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limner.plugin import FloatArray, IntArray, Need, Option, Pick, Pool, StrategyManifest
from limner_strategies.answer import answered
from limner_strategies.noise import perturbed, sub_seed
from limner_strategies.option import number
from limner_strategies.random_order import random_rows
from limner_strategies.ranking import highest

manifest = StrategyManifest(
    name="foreground",
    version="1.0.0",
    factory=":Foreground",
    needs=frozenset({Need.CLASSES}),
    title="At random, mostly where the model sees something",
    licence="Apache-2.0",
    options={
        "share": Option(
            default=0.667,
            minimum=0.0,
            maximum=1.0,
            help="Share of picks that are drawn by what the model sees; the others are anywhere.",
        )
    },
)

ANYWHERE = -1
"""Stands for a class where a sample was drawn from the whole pool."""

_NONE = -1


def foreground_rows(
    fractions: FloatArray, ids: IntArray, count: int, seed: int, share: float
) -> tuple[IntArray, IntArray]:
    """Draw rows by how much of a class they hold, or from anywhere.

    Args:
        fractions: (n, classes), without background, finite, at least 0.
        ids: (n,), distinct.
        count: How many rows; all of them where there are fewer.
        seed: Decides the draw.
        share: Probability of each row to be drawn by a class.

    Returns:
        (min(count, n),) rows, first drawn first, and the class of each, or `ANYWHERE`.
    """
    count = max(0, min(count, len(ids)))
    orders = [_Order(random_rows(ids, count, sub_seed(seed, 0)))]
    for index in range(fractions.shape[1]):
        amount = fractions[:, index]
        drawn = sub_seed(seed, 1 + index)
        rows = highest(perturbed(amount, ids, "power", 1.0, drawn), ids, count, drawn)
        orders.append(_Order(rows[amount[rows] > 0]))
    random = np.random.default_rng(np.random.SeedSequence([abs(seed), len(orders)]))
    taken: set[int] = set()
    chosen: list[int] = []
    classes: list[int] = []
    while len(chosen) < count:
        present = [at for at in range(1, len(orders)) if orders[at].peek(taken) != _NONE]
        by_class = random.random() < share and present
        at = int(random.choice(present)) if by_class else 0
        # No order runs out too early: each holds as many rows as there are picks.
        row = orders[at].peek(taken)
        taken.add(row)
        chosen.append(row)
        classes.append(at - 1)
    return np.array(chosen, np.int64), np.array(classes, np.int64)


class _Order:
    """Rows in the order in which they would be drawn, some of which others have taken."""

    def __init__(self, rows: IntArray) -> None:
        self._rows = rows.tolist()
        self._next = 0

    def peek(self, taken: set[int]) -> int:
        while self._next < len(self._rows) and self._rows[self._next] in taken:
            self._next += 1
        return int(self._rows[self._next]) if self._next < len(self._rows) else _NONE


class Foreground:
    """The strategy `foreground`."""

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Pick rows at random, mostly by what the model sees there. See `Strategy.pick`."""
        fractions = pool.class_fractions
        if fractions is None:
            return answered(pool, np.empty(0, np.int64), np.empty(0), (), count, seed)
        known = np.flatnonzero(np.isfinite(fractions).all(axis=1))
        amounts = np.maximum(fractions[known, 1:], 0.0)
        share = number(pool, manifest, "share")
        rows, classes = foreground_rows(amounts, pool.ids[known], count, seed, share)
        scores = 1.0 - np.arange(len(rows)) / max(1, len(rows))
        reasons = (
            "it was drawn at random from the whole pool"
            if index == ANYWHERE
            else f"it was drawn at random by how much the model sees of class {index + 1}: "
            f"{amounts[row, index]:.1%}"
            for row, index in zip(rows.tolist(), classes.tolist(), strict=True)
        )
        return answered(pool, known[rows], scores, reasons, count, seed)
