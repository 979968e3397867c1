"""The box of an image that is worth most to label. Numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import Region
from limner_apps.segmentation.aggregation import box_sums

_ROOM = 1e-6
"""What an unlabelled cell is worth without any uncertainty: a box prefers what nobody has seen."""


def best_start(
    values: npt.NDArray[Any],
    shape: tuple[int, ...],
    block: int,
    size: tuple[int, ...],
    labelled: Sequence[Region],
) -> Region:
    """Return the box with the largest sum of a map over what is not labelled.

    A box that overlaps nothing labelled goes before all others. Of equal ones the first is taken.

    Args:
        values: (*cells), at least 0, of blocks of voxels.
        shape: The image's, in voxels.
        block: Voxels along each axis that make a cell.
        size: Of the box in voxels, at most the image's.
        labelled: Regions on the image.
    """
    cells = [
        min(max(1, round(n / block)), have) for n, have in zip(size, values.shape, strict=True)
    ]
    worth = (values + _ROOM) * (1.0 - known_share(labelled, shape, block))
    sums = box_sums(worth, cells)
    starts = [
        np.minimum(np.arange(count) * block, have - n)
        for count, have, n in zip(sums.shape, shape, size, strict=True)
    ]
    taken = np.zeros(sums.shape, dtype=bool)
    for region in labelled:
        taken[np.ix_(*_overlapping(starts, size, region))] = True
    if not taken.all():
        sums[taken] = -1.0
    place = np.unravel_index(int(sums.argmax()), sums.shape)
    start = tuple(int(each[at]) for each, at in zip(starts, place, strict=True))
    return Region(start, tuple(a + n for a, n in zip(start, size, strict=True)))


def known_share(
    labelled: Sequence[Region], shape: tuple[int, ...], block: int
) -> npt.NDArray[np.float32]:
    """Return (*cells) in [0, 1]: how much of each cell is labelled, of regions in voxels.

    Where regions overlap in a part of a cell, the largest of their shares stands for it.
    """
    known = np.zeros([-(-n // block) for n in shape], dtype=np.float32)
    for region in labelled:
        share = np.ones((), dtype=np.float32)
        for axis, (a, b, n) in enumerate(zip(region.start, region.stop, shape, strict=True)):
            first = np.arange(known.shape[axis]) * block
            last = np.minimum(first + block, n)
            covered = np.clip(np.minimum(last, b) - np.maximum(first, a), 0, None) / (last - first)
            share = share[..., None] * covered.astype(np.float32)
        np.maximum(known, share, out=known)
    return known


def _overlapping(
    starts: Sequence[npt.NDArray[np.int64]], size: Sequence[int], region: Region
) -> list[npt.NDArray[np.int64]]:
    """Return along each axis which starts make boxes that share rows with a region."""
    return [
        np.flatnonzero((each < b) & (each + n > a))
        for each, n, a, b in zip(starts, size, region.start, region.stop, strict=True)
    ]
