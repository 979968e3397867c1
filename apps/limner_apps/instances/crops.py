"""Training cases in memory, and cutting a piece of any zoom out of one.

Masks stay cut to their boxes from the file to the network: a crop may show hundreds of objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray, IntArray, window
from limner_apps.instances.overlap import BoxMask

Positions: TypeAlias = npt.NDArray[np.floating[Any]]
"""(n,), where along an axis an image is sampled, in pixels."""

_MOST_OBJECTS = 800
"""Objects learnt from in one crop: those nearest its middle."""
_SLIVER = 4
"""Pieces of fewer pixels, left over where the crop's edge cuts an object, are not learnt."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """The objects of a crop."""

    boxes: FloatArray
    """(n, 4), (row, column) of the first corner and of the last, in pixels of the crop."""
    masks: tuple[BoxMask, ...]
    """(n,), of the shape of their boxes' windows; None where only the box is known."""
    classes: IntArray
    """(n,), class indices from 1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingCase:
    """One preprocessed case."""

    image: FloatArray
    """(channels, rows, columns), enlarged by the plan's zoom."""
    target: Target
    """The objects, in pixels of the image as stored."""
    shape: tuple[int, int]
    """Rows and columns of the image as stored."""
    is_new: bool


def cut(
    case: TrainingCase, size: int, zoom: float, corner: tuple[float, float]
) -> tuple[FloatArray, Target]:
    """Cut a square out of a case.

    Args:
        case: The case.
        size: Side of the square in pixels of the result.
        zoom: Pixels of the result for one of the case's enlarged image.
        corner: Where it starts, in pixels of the enlarged image; what lies outside repeats the
            border and has no object.

    Returns:
        The image (channels, size, size), and its objects.
    """
    steps = (np.arange(size) + 0.5) / zoom
    rows, columns = corner[0] + steps, corner[1] + steps
    image = _bilinear(case.image, rows - 0.5, columns - 0.5)
    height, width = case.image.shape[1:]
    return image, _objects(
        case.target,
        rows * case.shape[0] / height,
        columns * case.shape[1] / width,
        case.shape,
    )


def _bilinear(image: FloatArray, rows: Positions, columns: Positions) -> FloatArray:
    height, width = image.shape[1:]
    rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    top, left = rows.astype(np.int64), columns.astype(np.int64)
    down: FloatArray = (rows - top).astype(np.float32)[None, :, None]
    right: FloatArray = (columns - left).astype(np.float32)[None, None, :]
    below, beside = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    # Only the part of a large image, perhaps a mapped file, that the crop shows.
    first_row, first_column = int(top[0]), int(left[0])
    part = np.asarray(image[:, first_row : below[-1] + 1, first_column : beside[-1] + 1])
    lines: FloatArray = part[:, top - first_row] * (1 - down) + part[:, below - first_row] * down
    answer: FloatArray = (
        lines[:, :, left - first_column] * (1 - right) + lines[:, :, beside - first_column] * right
    )
    return answer


def _objects(
    target: Target,
    rows: Positions,
    columns: Positions,
    shape: tuple[int, int],
) -> Target:
    """Sample every object at the crop's pixel centres, given in pixels of the stored image."""
    step = float(rows[1] - rows[0]) if len(rows) > 1 else 1.0
    start = np.array([rows[0], columns[0]]) - 0.5 * step
    inside = [
        np.flatnonzero((each >= 0) & (each < have))
        for each, have in zip((rows, columns), shape, strict=True)
    ]
    source = [
        np.floor(each[index]).astype(np.int64)
        for each, index in zip((rows, columns), inside, strict=True)
    ]
    nothing = Target(boxes=np.zeros((0, 4), np.float32), masks=(), classes=np.zeros(0, np.int64))
    if not len(source[0]) or not len(source[1]) or not len(target.boxes):
        return nothing
    ends = np.array([source[0][-1], source[1][-1]]) + 1
    shown = (target.boxes[:, 2:] > [source[0][0], source[1][0]]).all(axis=1)
    shown &= (target.boxes[:, :2] < ends).all(axis=1)
    candidates = np.flatnonzero(shown)
    if len(candidates) > _MOST_OBJECTS:
        centres = 0.5 * (target.boxes[candidates, :2] + target.boxes[candidates, 2:])
        middle = start + 0.5 * step * len(rows)
        nearest = np.argsort(np.abs(centres - middle).max(axis=1), kind="stable")
        candidates = np.sort(candidates[nearest[:_MOST_OBJECTS]])
    boxes: list[npt.NDArray[np.float64]] = []
    masks: list[BoxMask] = []
    classes: list[int] = []
    for row in candidates:
        box, mask = target.boxes[row], target.masks[row]
        piece = (
            _whole_box(box, start, step, len(rows))
            if mask is None
            else _masked(box, mask, source, inside)
        )
        if piece is not None:
            boxes.append(piece[0])
            masks.append(piece[1])
            classes.append(int(target.classes[row]))
    if not boxes:
        return nothing
    return Target(
        boxes=np.stack(boxes).astype(np.float32),
        masks=tuple(masks),
        classes=np.asarray(classes, np.int64),
    )


def _whole_box(
    box: FloatArray, start: npt.NDArray[np.float64], step: float, size: int
) -> tuple[npt.NDArray[np.float64], None] | None:
    corners = np.concatenate([(box[:2] - start) / step, (box[2:] - start) / step])
    kept = np.clip(corners, 0, size)
    if (kept[2:] - kept[:2]).min() < 1.0 and not np.array_equal(kept, corners):
        return None
    # A box that shrinks below a pixel still is one.
    kept[2:] = np.maximum(kept[2:], np.minimum(kept[:2] + 1.0, size))
    kept[:2] = np.minimum(kept[:2], kept[2:] - 1.0)
    return kept, None


def _masked(
    box: FloatArray,
    mask: npt.NDArray[np.bool_],
    source: list[npt.NDArray[np.int64]],
    inside: list[npt.NDArray[np.int64]],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]] | None:
    covered = window(box)
    spans = [
        np.searchsorted(each, [axis.start, axis.stop])
        for each, axis in zip(source, covered, strict=True)
    ]
    index = [
        each[first:last] - axis.start
        for each, (first, last), axis in zip(source, spans, covered, strict=True)
    ]
    seen = mask[np.ix_(index[0], index[1])]
    lines = [np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))]
    if not len(lines[0]):
        return None
    low = [int(each[0]) for each in lines]
    high = [int(each[-1]) + 1 for each in lines]
    is_cut = any(
        covered[axis].start < source[axis][0] or covered[axis].stop > source[axis][-1] + 1
        for axis in (0, 1)
    )
    if is_cut and np.count_nonzero(seen) < _SLIVER:
        return None
    offset = [int(inside[axis][spans[axis][0]]) for axis in (0, 1)]
    corners = [offset[0] + low[0], offset[1] + low[1], offset[0] + high[0], offset[1] + high[1]]
    tight = np.ascontiguousarray(seen[low[0] : high[0], low[1] : high[1]])
    return np.asarray(corners, np.float64), tight
