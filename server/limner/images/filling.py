"""Filling closed outlines: which pixels of a picture lie inside.

A pixel is inside where its centre is. Outlines count from the outer corner of the first pixel, x
along the columns and y along the rows, so the centre of pixel (row, column) is (column + 0.5,
row + 0.5). Several outlines together follow the even-odd rule: what lies inside of two of them is a
hole.

Drawing libraries are not used: Pillow cuts corners down to whole pixels and paints the border too,
so that an area would come back larger than it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

_Points: TypeAlias = npt.NDArray[np.float64]
_Rows: TypeAlias = npt.NDArray[np.int64]

_CHUNK = 1 << 20
"""Crossings that are looked at in one go: bounds the temporary memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Pixels of a picture, cut to a window of it."""

    window: tuple[slice, slice]
    """Rows and columns; either may be empty."""
    inside: npt.NDArray[np.bool_]
    """Of the window's shape."""


def filled_cut(polygons: Sequence[npt.NDArray[Any]], shape: Sequence[int]) -> Cut:
    """Fill closed outlines together, cut to the window that they span.

    Args:
        polygons: Each (n, 2), x and y of its corners, finite; the last is joined to the first.
            What lies outside of the picture is cut off.
        shape: (2,), rows and columns of the picture.
    """
    window = _window(polygons, shape)
    (top, bottom), (left, right) = ((each.start, each.stop) for each in window)
    rows, columns = bottom - top, right - left
    # One column more: what starts right of the window changes nothing in it.
    changes = np.zeros(rows * (columns + 1), np.uint8)
    for row, x in _crossings(polygons, top, bottom):
        column = (np.ceil(x - 0.5) - left).clip(0, columns).astype(np.int64)
        np.add.at(changes, row * (columns + 1) + column, np.uint8(1))
    # Sums wrap at 256, which leaves odd numbers odd.
    inside = changes.reshape(rows, columns + 1)[:, :columns].cumsum(axis=1, dtype=np.uint8)
    inside &= 1
    return Cut(window=window, inside=inside.view(np.bool_))


def rows_crossed(polygons: Sequence[npt.NDArray[Any]], shape: Sequence[int]) -> int:
    """Return how often outlines cross a row of the picture: what filling them costs.

    Args:
        polygons: As for `filled_cut`.
        shape: (2,), rows and columns of the picture.
    """
    first, last = _spans(*_sides(polygons), 0, int(shape[0]))
    return int((last - first).sum())


def pixels_spanned(polygons: Sequence[npt.NDArray[Any]], shape: Sequence[int]) -> int:
    """Return how many pixels of the picture the window of outlines holds.

    Args:
        polygons: As for `filled_cut`.
        shape: (2,), rows and columns of the picture.
    """
    lengths = [each.stop - each.start for each in _window(polygons, shape)]
    return math.prod(lengths)


def _window(polygons: Sequence[npt.NDArray[Any]], shape: Sequence[int]) -> tuple[slice, slice]:
    points = polygons[0] if len(polygons) == 1 else np.concatenate(polygons)
    x_low, y_low = points.min(axis=0).tolist()
    x_high, y_high = points.max(axis=0).tolist()
    return _within(y_low, y_high, int(shape[0])), _within(x_low, x_high, int(shape[1]))


def _within(low: float, high: float, length: int) -> slice:
    start = min(max(math.floor(low), 0), length)
    return slice(start, max(start, min(math.ceil(high), length)))


def _sides(polygons: Sequence[npt.NDArray[Any]]) -> tuple[_Points, _Points]:
    """Return where each side of outlines begins and ends, (n, 2) both, outline after outline."""
    ends = [part for each in polygons for part in (each[1:], each[:1])]
    return np.concatenate(polygons, dtype=np.float64), np.concatenate(ends, dtype=np.float64)


def _spans(here: _Points, there: _Points, top: int, bottom: int) -> tuple[_Rows, _Rows]:
    """Return, for each side, the first row whose centre it crosses and one past the last."""
    # A side owns its upper end and not its lower, so a corner on a centre counts once.
    y = np.stack([here[:, 1], there[:, 1]])
    first, last = np.ceil(y - 0.5).clip(top, bottom).astype(np.int64)
    return np.minimum(first, last), np.maximum(first, last)


def _crossings(
    polygons: Sequence[npt.NDArray[Any]], top: int, bottom: int
) -> Iterator[tuple[_Rows, npt.NDArray[np.float64]]]:
    """Yield where sides cross the centres of rows: the rows, counted from `top`, and x of each."""
    here, there = _sides(polygons)
    first, last = _spans(here, there, top, bottom)
    crossing = np.flatnonzero(last > first)
    counts = (last - first)[crossing]
    ends = np.cumsum(counts)
    done = 0
    while done < len(crossing):
        before = int(ends[done - 1]) if done else 0
        stop = max(done + 1, int(np.searchsorted(ends, before + _CHUNK, side="right")))
        many = counts[done:stop]
        side = np.repeat(crossing[done:stop], many)
        along = np.arange(len(side)) - np.repeat(ends[done:stop] - many - before, many)
        row = first[side] + along
        (x, y), (next_x, next_y) = here[side].T, there[side].T
        yield row - top, x + (row + 0.5 - y) / (next_y - y) * (next_x - x)
        done = stop
