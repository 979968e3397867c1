"""Dice of masks against known labels, for figures that do not depend on the apps' own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer]

_AT_ONCE = 2**22
"""Voxels that are counted at a time: counting takes eight bytes for each."""


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


def dice_by_class(first: IntArray, second: IntArray) -> dict[int, float]:
    """Overlap of each class that is in either mask, by its value; 0 is background and no class.

    Args:
        first: Class values, none negative; any number of axes.
        second: The same shape.

    Raises:
        ValueError: The arrays have different shapes.
    """
    if first.shape != second.shape:
        raise ValueError(f"The masks differ in shape: {first.shape} and {second.shape}.")
    length = 1 + max(int(first.max(initial=0)), int(second.max(initial=0)))
    sizes, shared = np.zeros(length, np.int64), np.zeros(length, np.int64)
    last = first.shape[-1]
    step = max(1, _AT_ONCE * last // max(first.size, 1))
    for start in range(0, last, step):
        a, b = (each[..., start : start + step].ravel() for each in (first, second))
        for counts, values in ((sizes, a), (sizes, b), (shared, a[a == b])):
            counts += np.bincount(values.astype(np.int64), minlength=length)
    present = (value for value in range(1, length) if sizes[value])
    return {value: 2 * int(shared[value]) / int(sizes[value]) for value in present}
