"""Masks as run lengths, the way COCO writes them: column by column, background first.

A mask is a list of counts that take turns: so many pixels of background, so many of the object, and
so on, down the first column, then the second. Packed into text, a count is the difference to the
one two before it, five bits a character (`rleToString` in pycocotools' `maskApi.c`).

Everything here works on the runs and never on a picture of the image's size, so that tens of
thousands of objects of one image cost no more than what they cover.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import IntArray

MOST_PIXELS = 2**29 - 1
"""Of an image: pycocotools packs a count into at most six characters."""
LONGEST_SIDE = 2**24
"""Of an image, in pixels: a corner of a box must be exact in single precision."""
LONGEST_OUTLINE = 4_000_000
"""Of a polygon, in pixels: drawing takes 40 bytes for each."""

_LONGEST_COUNT = 7
"""Characters of one packed count; seven hold 35 bits."""


class BrokenRuns(ValueError):
    """Counts or a polygon that describe no mask of the image; the message goes on `it …`."""


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """The pixels of an object as runs down the columns: sorted, apart, none empty."""

    starts: IntArray
    """(n,), index of the first pixel of a run; pixel (row, column) is `column * height + row`."""
    stops: IntArray
    """(n,), one past the last pixel."""
    height: int
    """Rows of the image."""

    @property
    def area(self) -> int:
        """How many pixels they cover."""
        return int((self.stops - self.starts).sum())

    def box(self) -> tuple[int, int, int, int]:
        """Return the tight box of at least one run: first row and column, last ones plus one."""
        first_rows, last_rows = self.starts % self.height, (self.stops - 1) % self.height
        first_columns, last_columns = self.starts // self.height, (self.stops - 1) // self.height
        if (first_columns != last_columns).any():
            top, bottom = 0, self.height
        else:
            top, bottom = int(first_rows.min()), int(last_rows.max()) + 1
        return top, int(first_columns[0]), bottom, int(last_columns[-1]) + 1

    def mask(self, box: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Paint the runs, cut to their tight box."""
        top, left, bottom, right = box
        rows, columns = bottom - top, right - left
        # Only in a box as high as the image does a run pass from one column into the next.
        starts = (self.starts // self.height - left) * rows + self.starts % self.height - top
        steps = np.zeros(rows * columns + 1, np.int8)
        steps[starts] = 1
        steps[starts + (self.stops - self.starts)] -= 1
        painted = steps[:-1].cumsum(dtype=np.int8).view(np.bool_)
        return np.ascontiguousarray(painted.reshape(columns, rows).T)

    def counts(self, pixels: int) -> IntArray:
        """Return the runs as counts for an image of so many pixels."""
        edges = np.empty(2 * len(self.starts) + 2, np.int64)
        edges[0], edges[-1] = 0, pixels
        edges[1:-1:2], edges[2:-1:2] = self.starts, self.stops
        counts = np.diff(edges)
        return counts if counts[-1] else counts[:-1]


def runs_of_counts(counts: IntArray, shape: Sequence[int]) -> Runs:
    """Return what counts describe.

    Args:
        counts: (n,), background first.
        shape: (2,), rows and columns of the image.

    Raises:
        BrokenRuns: A count is negative, or they do not sum to the image's pixels.
    """
    height, width = shape
    if len(counts) and counts.min() < 0:
        raise BrokenRuns(f"has a negative count, {counts.min()}")
    # Summed as floats: they are exact as far as it matters, and cannot overflow.
    total = counts.sum(dtype=np.float64)
    if total != height * width:
        raise BrokenRuns(
            f"has counts that sum to {total:,.0f}, not to the {height * width:,} pixels of the "
            "image"
        )
    edges = counts.cumsum()
    pairs = len(counts) // 2
    starts, stops = edges[0 : 2 * pairs : 2], edges[1 : 2 * pairs : 2]
    return Runs(starts, stops, height) if counts[1:].all() else _united(starts, stops, height)


def runs_of_polygons(polygons: Sequence[npt.NDArray[np.float64]], shape: Sequence[int]) -> Runs:
    """Draw polygons as pycocotools does and return what any of them covers.

    Args:
        polygons: Each (2 * points,), x and y in turn, finite, of at least three points, at most a
            few pixels outside the image.
        shape: (2,), rows and columns of the image: at most `MOST_PIXELS`, and no side over
            `LONGEST_SIDE`.

    Raises:
        BrokenRuns: An outline is too long to be drawn.
    """
    # Imported here: a server that reads no COCO need not load it.
    from pycocotools import mask as coco

    longest = max(map(outline_of, polygons))
    if longest > LONGEST_OUTLINE:
        raise BrokenRuns(
            f"has an outline of {longest:,.0f} pixels; at most {LONGEST_OUTLINE:,} are drawn"
        )
    height, width = shape
    drawn = coco.frPyObjects([each.tolist() for each in polygons], height, width)
    runs = [runs_of_counts(unpacked(each["counts"]), shape) for each in drawn]
    if len(runs) == 1:
        return runs[0]
    starts = np.concatenate([each.starts for each in runs])
    stops = np.concatenate([each.stops for each in runs])
    order = np.argsort(starts, kind="stable")
    return _united(starts[order], np.maximum.accumulate(stops[order]), height)


def outline_of(polygon: npt.NDArray[np.float64]) -> float:
    """Return how long a polygon's outline is, in pixels: what drawing it costs.

    Args:
        polygon: As for `runs_of_polygons`.
    """
    points = polygon.reshape(-1, 2)
    around = np.concatenate([points, points[:1]])
    return float(np.abs(around[1:] - around[:-1]).max(axis=1).sum())


def runs_of_mask(mask: npt.NDArray[np.bool_], corner: Sequence[int], height: int) -> Runs:
    """Return the runs of a mask that was cut out of an image.

    Args:
        mask: (rows, columns).
        corner: (2,), row and column of its first pixel in the image.
        height: Rows of the image.
    """
    rows, columns = mask.shape
    # Column after column, an empty pixel before each.
    fenced = np.zeros(columns * (rows + 1) + 1, np.bool_)
    fenced[:-1].reshape(columns, rows + 1)[:, 1:] = mask.T
    edges = (fenced[1:] != fenced[:-1]).nonzero()[0]
    column, row = np.divmod(edges[::2], rows + 1)
    starts = (column + corner[1]) * height + row + corner[0]
    return _united(starts, starts + (edges[1::2] - edges[::2]), height)


def unpacked(text: bytes) -> IntArray:
    """Return the counts of a packed mask.

    Raises:
        BrokenRuns: Characters that no count is written with, or a count that never ends.
    """
    # What is below the first character that is used wraps round to a high one.
    codes = np.frombuffer(text, np.uint8) - np.uint8(48)
    if not len(codes):
        return np.zeros(0, np.int64)
    if codes.max() > 63:
        raise BrokenRuns("has characters that no packed count is written with")
    ends = np.flatnonzero((codes & 32) == 0)
    if not len(ends) or ends[-1] != len(codes) - 1:
        raise BrokenRuns("is cut off inside a packed count")
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > _LONGEST_COUNT:
        raise BrokenRuns("has a packed count of more than 35 bits")
    places = np.arange(len(codes)) - np.repeat(starts, lengths)
    values = np.add.reduceat((codes & 31).astype(np.int64) << (5 * places), starts)
    values -= np.where(codes[ends] & 16, 1 << (5 * lengths), 0)
    # From the fourth on, a count is told as the difference to the one two before it.
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return np.asarray(values, np.int64)


def packed(all_counts: Sequence[IntArray], shape: Sequence[int]) -> list[str]:
    """Pack the counts of several masks of an image into text.

    Args:
        all_counts: Each (n,), as `Runs.counts` gives them.
        shape: (2,), rows and columns of the image, as for `runs_of_polygons`.
    """
    from pycocotools import mask as coco

    if not all_counts:
        return []
    size = [int(length) for length in shape]
    masks: list[Any] = [{"size": size, "counts": counts.tolist()} for counts in all_counts]
    return [each["counts"].decode("ascii") for each in coco.frPyObjects(masks, *size)]


def _united(starts: npt.NDArray[Any], stops: npt.NDArray[Any], height: int) -> Runs:
    """Join runs that touch or overlap; both arrays rise."""
    full = stops > starts
    if not full.all():
        starts, stops = starts[full], stops[full]
    apart = np.empty(len(starts), np.bool_)
    if len(starts):
        apart[0] = True
        np.greater(starts[1:], stops[:-1], out=apart[1:])
        if not apart.all():
            starts = starts[apart]
            stops = stops[np.append(np.flatnonzero(apart)[1:] - 1, len(stops) - 1)]
    return Runs(np.asarray(starts, np.int64), np.asarray(stops, np.int64), height)
