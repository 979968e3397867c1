"""Instances as arrays: where a box's mask lies, and the ways to and from an instance map.

An instance map holds one whole number a pixel: 0 for background, another one for each object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin.images import FloatArray, Instances, IntArray

MOST_INSTANCES = 65_535
"""Most objects of an instance map: it is at most 16 bits wide on disk."""


def window(box: Sequence[float] | npt.NDArray[Any]) -> tuple[slice, ...]:
    """Return the pixels that a box touches, which its mask covers: one slice for each axis.

    Args:
        box: (2 * d,), first corner then last, as in `Instances.boxes`.

    Example:
        >>> window([1.5, 2.0, 4.0, 6.2])
        (slice(1, 4, None), slice(2, 7, None))
    """
    corners = np.asarray(box, dtype=np.float64)
    axes = len(corners) // 2
    first, last = np.floor(corners[:axes]), np.ceil(corners[axes:])
    return tuple(slice(int(low), int(high)) for low, high in zip(first, last, strict=True))


def no_instances(axes: int) -> Instances:
    """Return the answer for an image of so many axes without any object."""
    return Instances(
        boxes=np.zeros((0, 2 * axes), np.float32),
        masks=(),
        classes=np.zeros(0, np.int64),
        scores=np.zeros(0, np.float32),
    )


def instance_boxes(numbered: npt.NDArray[Any]) -> tuple[IntArray, FloatArray]:
    """Find the objects of an instance map.

    Args:
        numbered: (*spatial), whole numbers, 0 for background.

    Returns:
        The numbers that occur, (n,) and rising, and the tight box of each, (n, 2 * d).
    """
    axes = numbered.ndim
    places = np.nonzero(numbered)
    values = numbered[places]
    if not len(values):
        return np.zeros(0, np.int64), np.zeros((0, 2 * axes), np.float32)
    order = np.argsort(values, kind="stable")
    numbers, starts = np.unique(values[order], return_index=True)
    boxes = np.empty((len(numbers), 2 * axes), np.float32)
    for axis, along in enumerate(places):
        ordered = along[order]
        boxes[:, axis] = np.minimum.reduceat(ordered, starts)
        boxes[:, axes + axis] = np.maximum.reduceat(ordered, starts) + 1
    return numbers.astype(np.int64), boxes


def from_instance_map(numbered: npt.NDArray[Any], classes: npt.NDArray[np.integer]) -> Instances:
    """Return the objects of an instance map, in the order of their numbers, with score 1.

    Args:
        numbered: (*spatial), whole numbers, 0 for background.
        classes: (n,), the class value of each number that occurs, in rising order.
    """
    numbers, boxes = instance_boxes(numbered)
    return Instances(
        boxes=boxes,
        masks=tuple(
            numbered[window(box)] == number for number, box in zip(numbers, boxes, strict=True)
        ),
        classes=np.asarray(classes, np.int64),
        scores=np.ones(len(numbers), np.float32),
    )


def to_instance_map(instances: Instances, shape: Sequence[int]) -> npt.NDArray[np.uint16]:
    """Paint objects into a map, those of the highest score on top; row `i` becomes `i + 1`.

    An object of which only the box is known fills its box. One that others cover wholly is not in
    the map.

    Args:
        instances: At most `MOST_INSTANCES`.
        shape: Spatial shape of the image.

    Raises:
        ValueError: There are more.
    """
    if len(instances.boxes) > MOST_INSTANCES:
        raise ValueError(
            f"An instance map holds at most {MOST_INSTANCES} objects, not {len(instances.boxes)}."
        )
    painted = np.zeros(tuple(shape), np.uint16)
    for row in np.argsort(instances.scores, kind="stable"):
        mask = instances.masks[row]
        covered = painted[window(instances.boxes[row])]
        covered[... if mask is None else mask] = row + 1
    return painted
