"""The scores that apps give: what they are called, and how a reason says one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from limner.plugin import FloatArray, Pool

SAYINGS: Mapping[str, str] = {
    "entropy": "the model is least sure here: entropy",
    "margin": "two answers are nearly as likely here: closeness",
    "least_confidence": "the likeliest answer is weak here: doubt",
    "bald": "sampled predictions are each sure and differ: mutual information",
    "variation_ratio": "sampled predictions vote for different classes: share of the minority",
    "variance": "sampled probabilities spread: variance",
    "dice_disagreement": "sampled outlines lie apart: disagreement",
    "partition_disagreement": "sampled predictions separate objects differently: disagreement",
    "maskal": "sampled objects come and go: uncertainty",
}


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """The column that rows are ranked by."""

    values: FloatArray
    """(n,), NaN where nothing is known."""
    name: str
    """What the app calls it; empty where there is no score at all."""
    missing: str = ""
    """What was wanted and is not there, to begin a reason with; empty where it is."""

    def say(self, value: float) -> str:
        """Give the reason for a row with this score."""
        saying = SAYINGS.get(self.name)
        if saying is None:
            return f"{self.missing}{self.name} {value:.3g}"
        return f"{self.missing}{saying} {value:.2f} of 1"


def ranked(pool: Pool, names: Sequence[str], hint: str = "") -> Ranked:
    """Find the first of some scores that the app gives; else entropy; else nothing.

    Args:
        pool: The pool.
        names: Scores that will do, best first.
        hint: What makes an app give them, such as an option of its own.
    """
    for name in names:
        if name in pool.scores:
            return Ranked(pool.scores[name], name)
    if not pool.scores:
        return Ranked(np.full(len(pool.ids), np.nan, np.float32), "")
    wanted = " or ".join(names)
    missing = f"the app gives no {wanted}{f' ({hint})' if hint else ''}, so "
    if "entropy" in pool.scores:
        return Ranked(pool.scores["entropy"], "entropy", f"{missing}entropy decides: ")
    return Ranked(np.full(len(pool.ids), np.nan, np.float32), "", f"{missing}nothing decides: ")
