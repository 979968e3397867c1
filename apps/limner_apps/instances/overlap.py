"""How much objects overlap, measured on masks that are cut to their boxes. Numpy only.

Boxes are (row, column) of the first corner, then of the last, as in `limner.plugin.Instances`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from limner.plugin import window

BoxMask: TypeAlias = npt.NDArray[np.bool_] | None
"""A mask of the shape of its box's window; None where only the box is known."""

_AT_ONCE = 4_000_000
"""Pairs of boxes looked at together: a label may hold 65,535 objects."""


def box_intersections(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the areas that boxes share, (n, m), of (n, 4) and (m, 4)."""
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    shared = np.ones((len(a), len(b)))
    for axis in (0, 1):
        low = np.maximum.outer(a[:, axis], b[:, axis])
        high = np.minimum.outer(a[:, 2 + axis], b[:, 2 + axis])
        high -= low
        shared *= np.maximum(high, 0.0, out=high)
    return shared


def box_areas(boxes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return (n,) areas of (n, 4)."""
    sides = np.asarray(boxes, np.float64)
    answer: npt.NDArray[np.float64] = (sides[:, 2:] - sides[:, :2]).prod(axis=-1)
    return answer


def box_ious(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the intersection over union of boxes, (n, m)."""
    shared = box_intersections(first, second)
    union = box_areas(first)[:, None] + box_areas(second)[None] - shared
    answer: npt.NDArray[np.float64] = shared / np.maximum(union, 1e-12)
    return answer


def shared_pixels(
    first_box: npt.NDArray[Any],
    first: npt.NDArray[np.bool_],
    second_box: npt.NDArray[Any],
    second: npt.NDArray[np.bool_],
) -> int:
    """Count the pixels that are in both masks."""
    a, b = window(first_box), window(second_box)
    cuts: list[tuple[slice, ...]] = [(), ()]
    for one, other in zip(a, b, strict=True):
        low, high = max(one.start, other.start), min(one.stop, other.stop)
        if low >= high:
            return 0
        cuts[0] += (slice(low - one.start, high - one.start),)
        cuts[1] += (slice(low - other.start, high - other.start),)
    return int(np.count_nonzero(first[cuts[0]] & second[cuts[1]]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """The objects of two sides that touch, by their rows; all others do not overlap."""

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    ious: npt.NDArray[np.float64]
    """Intersection over union of each pair."""

    def matched(self, least: float = 0.5) -> list[tuple[int, int, float]]:
        """Return the pairs that overlap more than `least`, the largest first, each object once.

        Where the objects of both sides do not overlap among themselves, a pair above one half is
        the only one that either has (Kirillov et al. 2019, arXiv 1801.00868).
        """
        order = np.argsort(-self.ious, kind="stable")
        used: tuple[set[int], set[int]] = (set(), set())
        pairs = []
        for index in order[self.ious[order] > least]:
            one, other = int(self.first[index]), int(self.second[index])
            if one not in used[0] and other not in used[1]:
                used[0].add(one)
                used[1].add(other)
                pairs.append((one, other, float(self.ious[index])))
        return pairs


def touching_pairs(
    boxes: npt.NDArray[Any],
    masks: Sequence[BoxMask],
    other_boxes: npt.NDArray[Any],
    other_masks: Sequence[BoxMask],
) -> Pairs:
    """Measure how much objects overlap, by their masks.

    A pair of which one is only a box is compared by boxes.
    """
    # Windows are the boxes rounded outwards, so masks may share pixels where boxes do not.
    outer, other_outer = _outwards(boxes), _outwards(other_boxes)
    step = max(1, _AT_ONCE // max(1, len(other_boxes)))
    parts = [np.zeros((0, 2), np.int64)]
    for start in range(0, len(boxes), step):
        touching = box_intersections(outer[start : start + step], other_outer) > 0
        parts.append(np.argwhere(touching) + np.array([start, 0]))
    first, second = np.concatenate(parts).T
    sizes = [_size(mask) for mask in masks]
    other_sizes = [_size(mask) for mask in other_masks]
    ious = np.zeros(len(first))
    for index, (i, j) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        one, other = masks[i], other_masks[j]
        if one is None or other is None:
            ious[index] = box_ious(boxes[i : i + 1], other_boxes[j : j + 1])[0, 0]
        else:
            shared = shared_pixels(boxes[i], one, other_boxes[j], other)
            ious[index] = shared / max(1, sizes[i] + other_sizes[j] - shared)
    return Pairs(first=first, second=second, ious=ious)


def _outwards(boxes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    corners = np.asarray(boxes, np.float64)
    return np.concatenate([np.floor(corners[:, :2]), np.ceil(corners[:, 2:])], axis=1)


def _size(mask: BoxMask) -> int:
    return 0 if mask is None else int(np.count_nonzero(mask))
