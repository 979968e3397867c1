"""Instance maps: a picture or volume of whole numbers, 0 for background and one for each object.

In a project of one class every number from 1 to 65535 is an object, and numbers may jump. In a
project of several classes the convention of Cityscapes holds: a number is `class value * 1000 + n`,
`n` from 0 to 999 counting the objects of a class. Objects cannot overlap in a map; COCO files tell
overlapping ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.errors import ImageTooLarge, InvalidLabelValues, UnsupportedFormat
from limner.images.header import Header
from limner.images.masks import check_place, encode_mask, read_mask
from limner.plugin import (
    MOST_INSTANCES,
    FloatArray,
    Instances,
    IntArray,
    LabelSchema,
    Mask,
    instance_boxes,
    to_instance_map,
    window,
)
from limner.settings import Limits

PER_CLASS = 1000
"""Numbers that each class has in a map of several classes."""
HIGHEST_CLASS = MOST_INSTANCES // PER_CLASS
"""Highest class value of which a map of several classes can tell objects."""

_SLAB = 1 << 22
"""Pixels in which objects are looked for in one go: bounds the temporary memory."""


def read_instance_map(
    path: Path, suffix: str, header: Header, schema: LabelSchema, limits: Limits
) -> Instances:
    """Read an instance map of an image: its objects in the order of their numbers, with score 1.

    Args:
        path: A file.
        suffix: Its format, one of a mask.
        header: Of the image.
        schema: The classes; with one class the numbers say nothing of it.
        limits: What the file may ask for.

    Raises:
        GeometryMismatch: It does not lie on its image.
        InvalidLabelValues: Numbers of no class of the schema, or as in `limner.images.read_mask`.
        ImageTooLarge: The objects' boxes together hold more pixels than `max_voxels`.
        ImageError: As in `limner.images.read_mask`.
    """
    painted = read_mask(path, limits, suffix=suffix)
    check_place(painted, header)
    numbers, boxes = _objects(painted.array)
    classes = _classes_of(numbers, schema)
    check_cuts(path.name, boxes, limits)
    return Instances(
        boxes=boxes,
        masks=tuple(
            painted.array[window(box)] == number for number, box in zip(numbers, boxes, strict=True)
        ),
        classes=classes,
        scores=np.ones(len(numbers), np.float32),
    )


def encode_instance_map(
    instances: Instances, header: Header, schema: LabelSchema, suffix: str
) -> bytes:
    """Write an instance map, objects of the highest score on top.

    With one class an object's number is its row plus one. With several, the objects of a class are
    counted from 0 in the order of their rows. An object of which only the box is known fills it.

    Raises:
        UnsupportedFormat: More objects of a class, or a higher class value, than a map can tell.
        ImageError: As in `limner.images.encode_mask`.
    """
    return encode_mask(painted_instances(instances, header, schema), header, suffix)


def painted_instances(instances: Instances, header: Header, schema: LabelSchema) -> Mask:
    """Return the numbers that `encode_instance_map` writes, on the image's geometry.

    Raises:
        UnsupportedFormat: More objects of a class, or a higher class value, than a map can tell.
    """
    painted = to_instance_map(instances, header.shape)
    if len(schema.classes) > 1:
        painted = _numbered_by_class(instances.classes, schema)[painted]
    return Mask(array=painted, spacing=header.spacing, affine=header.affine)


def check_cuts(name: str, boxes: npt.NDArray[Any], limits: Limits) -> None:
    """Refuse objects whose cut masks would need far more memory than their image.

    Tiny pieces of an object in opposite corners make its box as large as the image.

    Args:
        name: Of the file, for messages.
        boxes: (n, 2 * d), as in `limner.plugin.Instances`.
        limits: Of which `max_voxels` is the bound.

    Raises:
        ImageTooLarge: They hold more pixels than the limits allow for an image.
    """
    axes = boxes.shape[1] // 2
    sides = np.ceil(boxes[:, axes:]) - np.floor(boxes[:, :axes])
    pixels = float(np.prod(sides, axis=1, dtype=np.float64).sum())
    if pixels > limits.max_voxels:
        raise ImageTooLarge(
            f"{name}: the boxes of its {len(boxes):,} objects together hold {pixels:,.0f} pixels, "
            f"more than the {limits.max_voxels:,} of max_voxels in the limits. Objects that are "
            "scattered over the whole image are rarely meant."
        )


def _objects(painted: npt.NDArray[Any]) -> tuple[IntArray, FloatArray]:
    """Find the numbers of a map and their tight boxes, slab by slab."""
    axes = painted.ndim
    low = np.full((MOST_INSTANCES + 1, axes), np.iinfo(np.int64).max)
    high = np.zeros((MOST_INSTANCES + 1, axes), np.int64)
    for start, slab in _slabs(painted):
        numbers, boxes = instance_boxes(slab)
        corners = boxes.astype(np.int64)
        corners[:, [0, axes]] += start
        low[numbers] = np.minimum(low[numbers], corners[:, :axes])
        high[numbers] = np.maximum(high[numbers], corners[:, axes:])
    found = np.flatnonzero(high[:, 0])
    return found, np.concatenate([low[found], high[found]], axis=1).astype(np.float32)


def _slabs(painted: npt.NDArray[Any]) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    thickness = max(1, _SLAB * len(painted) // painted.size)
    for start in range(0, len(painted), thickness):
        yield start, painted[start : start + thickness]


def _classes_of(numbers: IntArray, schema: LabelSchema) -> IntArray:
    if len(schema.classes) == 1:
        return np.full(len(numbers), schema.classes[0].value, np.int64)
    classes = numbers // PER_CLASS
    strange = numbers[~np.isin(classes, schema.values[1:])]
    if len(strange):
        raise InvalidLabelValues(
            f"The instance map holds {_listed(strange)}, which belong to no class. With several "
            f"classes a number is the class value × {PER_CLASS} + 0 to {PER_CLASS - 1}, and the "
            f"classes are {_meanings(schema)}. Number the objects so, or give a COCO file "
            "(.json) that names their classes."
        )
    return classes


def _numbered_by_class(classes: IntArray, schema: LabelSchema) -> npt.NDArray[np.uint16]:
    """Return what stands for each row in a map of several classes: entry `row + 1`, 0 first."""
    table = np.zeros(len(classes) + 1, np.int64)
    for each in schema.classes:
        rows = np.flatnonzero(classes == each.value)
        table[rows + 1] = each.value * PER_CLASS + np.arange(len(rows))
        if len(rows) > PER_CLASS or table.max() > MOST_INSTANCES:
            raise UnsupportedFormat(
                f"{len(rows):,} objects of class {each.name!r} (value {each.value}) cannot be told "
                f"in an instance map: with several classes it holds {PER_CLASS} of each, and class "
                f"values up to {HIGHEST_CLASS}. Ask for a COCO file (.json) instead."
            )
    return table.astype(np.uint16)


def _listed(numbers: Sequence[int] | IntArray) -> str:
    shown = ", ".join(str(number) for number in numbers[:10])
    return f"the numbers {shown}{', …' if len(numbers) > 10 else ''}"


def _meanings(schema: LabelSchema) -> str:
    shown = ", ".join(f"{each.value} {each.name}" for each in schema.classes[:10])
    return shown + (", …" if len(schema.classes) > 10 else "")
