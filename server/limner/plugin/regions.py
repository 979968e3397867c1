"""Regions: boxes of voxels, where only a part of an image is labelled or is to be labelled."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Region:
    """A box of voxels, on the axes of the file; it is not empty.

    Raises:
        ValueError: The corners have different lengths, a start is below zero or not before its
            stop, or a number is not whole.
    """

    start: tuple[int, ...]
    """The first voxel along each spatial axis."""
    stop: tuple[int, ...]
    """One past the last voxel along each spatial axis."""

    def __post_init__(self) -> None:
        """Refuse what is no box."""
        numbers = (*self.start, *self.stop)
        if not all(type(each) is int for each in numbers):
            raise ValueError(f"A region has whole numbers, not {list(numbers)}.")
        if not self.start or len(self.start) != len(self.stop):
            raise ValueError(
                f"A region's start {list(self.start)} and stop {list(self.stop)} need one number "
                "for each axis."
            )
        if any(a < 0 or a >= b for a, b in zip(self.start, self.stop, strict=True)):
            raise ValueError(
                f"A region from {list(self.start)} to {list(self.stop)} holds no voxel of an "
                "image; start is the first voxel, from 0 on, and stop is one past the last."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each axis."""
        return tuple(b - a for a, b in zip(self.start, self.stop, strict=True))

    @property
    def voxels(self) -> int:
        """Voxels in all."""
        return math.prod(self.shape)

    @property
    def slices(self) -> tuple[slice, ...]:
        """What cuts the region out of an array (*spatial)."""
        return tuple(slice(a, b) for a, b in zip(self.start, self.stop, strict=True))

    def lies_in(self, shape: Sequence[int]) -> bool:
        """Tell whether an image of this spatial shape has all of its voxels."""
        same = len(shape) == len(self.stop)
        return same and all(b <= size for b, size in zip(self.stop, shape, strict=True))

    def overlaps(self, other: Region) -> bool:
        """Tell whether two regions of one image share a voxel."""
        ranges = zip(self.start, self.stop, other.start, other.stop, strict=True)
        return all(a < d and c < b for a, b, c, d in ranges)


def inside(regions: Iterable[Region], shape: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Return (*spatial), True in the voxels that any of the regions has."""
    answer = np.zeros(tuple(shape), dtype=np.bool_)
    for region in regions:
        answer[region.slices] = True
    return answer


def cut_to(size: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    """Return a wanted size in voxels, each cut to the image's; 0 is the whole of an axis."""
    return tuple(min(n or have, have) for n, have in zip(size, shape, strict=True))
