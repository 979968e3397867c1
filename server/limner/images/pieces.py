"""Which objects are in several pieces, found from runs of pixels along the last axis.

Pixels that touch, also by a corner, hang together. All objects are looked at together: every run is
hooked to the smallest that it touches, and hooks are followed to their ends, until nothing changes
(Shiloach and Vishkin, An O(log n) parallel connectivity algorithm, 1982).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from limner.plugin import IntArray

_MOST_PIXELS = 1 << 24
"""Pixels of masks that are looked at in one go; a larger mask is not looked at."""


def in_several_pieces(masks: Sequence[npt.NDArray[np.bool_] | None]) -> list[int]:
    """Return the rows of the masks whose pixels do not all hang together.

    Args:
        masks: As in `limner.plugin.Instances`, all of the same number of axes.
    """
    found: list[int] = []
    for rows in _portions(masks):
        pieces = _count_pieces([each for row in rows if (each := masks[row]) is not None])
        found += [row for row, count in zip(rows, pieces, strict=True) if count > 1]
    return found


def _portions(masks: Sequence[npt.NDArray[np.bool_] | None]) -> Iterator[list[int]]:
    rows: list[int] = []
    pixels = 0
    for row, mask in enumerate(masks):
        if mask is None or _fenced_size(mask) > _MOST_PIXELS:
            continue
        if pixels + _fenced_size(mask) > _MOST_PIXELS:
            yield rows
            rows, pixels = [], 0
        rows.append(row)
        pixels += _fenced_size(mask)
    if rows:
        yield rows


def _count_pieces(masks: Sequence[npt.NDArray[np.bool_]]) -> IntArray:
    """Count the pieces of every mask."""
    sizes = [_fenced_size(mask) for mask in masks]
    bases = np.concatenate(([0], np.cumsum(sizes)))
    # All masks one behind the other; an empty pixel ends every line, an empty line every plane,
    # so that what lies at a fixed distance is a neighbour or empty.
    line = np.zeros(bases[-1] + 1, np.int8)
    for mask, base, size in zip(masks, bases, sizes, strict=False):
        fenced = line[base : base + size].reshape([length + 1 for length in mask.shape])
        fenced[tuple(slice(length) for length in mask.shape)] = mask
    steps = np.diff(line, prepend=np.int8(0))
    starts, stops = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    owners = np.searchsorted(bases, starts, side="right") - 1
    distances = np.array([_distances(mask.shape) for mask in masks])
    firsts, seconds = [], []
    for distance in distances.T:
        moved = distance[owners]
        first, second = _touching(starts + moved, stops + moved, starts, stops)
        firsts.append(first)
        seconds.append(second)
    roots = _roots(len(starts), np.concatenate(firsts), np.concatenate(seconds))
    return np.bincount(owners[np.unique(roots)], minlength=len(masks))


def _fenced_size(mask: npt.NDArray[np.bool_]) -> int:
    size = 1
    for length in mask.shape:
        size *= length + 1
    return size


def _distances(shape: Sequence[int]) -> list[int]:
    """Return how far a line's neighbours further on are, among the lines of a fenced mask."""
    strides = np.cumprod([1, *(length + 1 for length in shape[:0:-1])])[:0:-1]
    steps = product((-1, 0, 1), repeat=len(shape) - 1)
    return [
        sum(step * int(stride) for step, stride in zip(each, strides, strict=True))
        for each in steps
        if each > (0,) * len(each)
    ]


def _touching(
    starts: IntArray, stops: IntArray, other_starts: IntArray, other_stops: IntArray
) -> tuple[IntArray, IntArray]:
    """Return all pairs of a run and another run that overlap, or are next to each other."""
    first = np.searchsorted(other_stops, starts, side="left")
    counts = np.searchsorted(other_starts, stops, side="right") - first
    rows = np.repeat(np.arange(len(starts)), counts)
    ends = np.cumsum(counts)
    within = np.arange(len(rows)) - np.repeat(ends - counts, counts)
    return rows, first[rows] + within


def _roots(count: int, first: IntArray, second: IntArray) -> IntArray:
    """Return for each of so many runs the smallest that it hangs together with."""
    roots = np.arange(count)
    while True:
        here, there = roots[first], roots[second]
        if np.array_equal(here, there):
            return roots
        least = np.minimum(here, there)
        np.minimum.at(roots, here, least)
        np.minimum.at(roots, there, least)
        while not np.array_equal(further := roots[roots], roots):
            roots = further
