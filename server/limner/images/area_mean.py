"""Images at another size: every new pixel is the mean of the area that it covers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def area_mean(array: npt.NDArray[Any], shape: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return an array with its last axes at other sizes, smaller or larger.

    A large array is never held in floating point as a whole: it is taken slice by slice along the
    axis whose steps in memory are widest.

    Args:
        array: (*leading, *spatial), numbers, finite.
        shape: The sizes of the spatial axes that are wanted, each at least 1.

    Returns:
        (*leading, *shape).
    """
    leading = array.ndim - len(shape)
    wanted = dict(enumerate(shape, start=leading))
    for axis in sorted(wanted, key=lambda each: -abs(array.strides[each])):
        if array.shape[axis] != wanted[axis]:
            array = _along(array, axis, wanted[axis])
    return array.astype(np.float64, copy=False)


def _along(array: npt.NDArray[Any], axis: int, size: int) -> npt.NDArray[np.float64]:
    length = array.shape[axis]
    slabs = np.moveaxis(array, axis, 0)
    rows = []
    for cell in range(size):
        # In units of 1 / size of an old pixel, everything is a whole number.
        low, high = cell * length, (cell + 1) * length
        places = np.arange(low // size, -(-high // size))
        shares = np.minimum((places + 1) * size, high) - np.maximum(places * size, low)
        # One after the other, as they lie in memory: a product of matrices would reorder a slab.
        row = np.zeros(slabs.shape[1:])
        for place, share in zip(places.tolist(), (shares / length).tolist(), strict=True):
            row += share * slabs[place].astype(np.float64)
        rows.append(row)
    return np.moveaxis(np.stack(rows), 0, axis)
