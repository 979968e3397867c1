"""Letting the labels that a parent version has not seen be seen enough."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_NEW_SHARE = 0.5
"""Share of the draws that new labels get while they are fewer than that."""


def draw_shares(is_new: Sequence[bool] | npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return how often each case is drawn, summing to one; new ones half the time while fewer."""
    new = np.asarray(is_new, dtype=bool)
    count = int(new.sum())
    if count == 0 or count >= _NEW_SHARE * len(new):
        return np.full(len(new), 1 / len(new))
    return np.where(new, _NEW_SHARE / count, (1 - _NEW_SHARE) / (len(new) - count))
