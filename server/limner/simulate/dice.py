"""Dice of masks against known labels, for figures that do not depend on the server's own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer]


def dice(found: IntArray, true: IntArray, value: int) -> float:
    """Overlap of one class: 2 |A ∩ B| / (|A| + |B|), 1 where it is in neither.

    Raises:
        ValueError: The arrays have different shapes.
    """
    if found.shape != true.shape:
        raise ValueError(f"The masks differ in shape: {found.shape} and {true.shape}.")
    a, b = found == value, true == value
    both = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / both if both else 1.0


def mean_dice(found: IntArray, true: IntArray, values: Sequence[int]) -> float:
    """Mean over the classes (background is none) of one case."""
    return float(np.mean([dice(found, true, value) for value in values]))
