"""What all formats of drawings tell: named regions of a picture with their outlines and colours."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from limner.errors import UnsupportedFormat
from limner.images.outlines import outlines
from limner.plugin import FloatArray, Instances, LabelSchema, Mask
from limner.plugin import window as pixels_of

LEAST_AREA = 80.0
"""Square pixels below which clients want no outline, unless they say otherwise."""

Colour: TypeAlias = tuple[int, int, int]
"""Red, green and blue from 0 to 255."""

_GOLDEN = 0.618_033_988_75
"""Hues this far apart stay far from each other, however many there are (golden ratio)."""
_STRENGTHS = ((1.0, 1.0), (0.6, 1.0), (1.0, 0.75))
"""Saturation and brightness, taken in turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of a picture, in whole pixels."""

    x: int
    """First column."""
    y: int
    """First row."""
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """What a picture shows of one class, or one object."""

    name: str
    """Of its class."""
    value: int
    """Of its class."""
    contours: tuple[FloatArray, ...]
    """At least one closed outline, each (n, 2), x and y in pixels of the whole picture; see
    `limner.images.outlines`."""
    score: float | None
    """Of an object, in [0, 1]; None where the answer has none."""


def regions_of(
    answer: Mask | Instances,
    schema: LabelSchema,
    *,
    least_area: float = LEAST_AREA,
    window: Window | None = None,
) -> list[Region]:
    """Return the regions of a picture: one for each class of a mask, or for each object.

    Classes come in the order of the schema, objects in that of the answer. What has no outline left
    is no region, and neither is what has a value that the schema has not. An object of which only
    the box is known is outlined by its box.

    Args:
        answer: Of a picture.
        schema: Its classes.
        least_area: Outlines that enclose less are left out, in square pixels.
        window: Only what lies inside counts; None takes all of the picture.

    Raises:
        UnsupportedFormat: The answer is of a volume.
    """
    axes = answer.array.ndim if isinstance(answer, Mask) else answer.boxes.shape[1] // 2
    if axes != 2:
        raise UnsupportedFormat(
            "Outlines are drawn on pictures only, and this answer is of a volume; ask for a mask."
        )
    if isinstance(answer, Mask):
        return list(_classes(answer, schema, least_area, window))
    return list(_objects(answer, schema, least_area, window))


def colour_of(value: int) -> Colour:
    """Return the colour of a class: always the same, and unlike that of other classes."""
    saturation, brightness = _STRENGTHS[value % len(_STRENGTHS)]
    parts = colorsys.hsv_to_rgb(value * _GOLDEN % 1, saturation, brightness)
    red, green, blue = (round(255 * part) for part in parts)
    return red, green, blue


def _classes(
    mask: Mask, schema: LabelSchema, least_area: float, part: Window | None
) -> Iterator[Region]:
    top, left, bottom, right = _limits(part)
    inside = mask.array[top:bottom, left:right]
    corner = np.array([left, top], np.float32)
    for each in schema.classes:
        found = outlines(inside == each.value, least_area=least_area)
        if found:
            contours = tuple(outline + corner for outline in found)
            yield Region(name=each.name, value=each.value, contours=contours, score=None)


def _objects(
    instances: Instances, schema: LabelSchema, least_area: float, part: Window | None
) -> Iterator[Region]:
    names = {each.value: each.name for each in schema.classes}
    for row, value in enumerate(instances.classes.tolist()):
        contours = _contours(instances, row, least_area, part) if value in names else []
        if contours:
            yield Region(
                name=names[value],
                value=value,
                contours=tuple(contours),
                score=float(instances.scores[row]),
            )


def _contours(
    instances: Instances, row: int, least_area: float, part: Window | None
) -> list[FloatArray]:
    box, mask = instances.boxes[row], instances.masks[row]
    top, left, bottom, right = _limits(part)
    if mask is None:
        y, x = max(float(box[0]), top), max(float(box[1]), left)
        last_y, last_x = min(float(box[2]), bottom), min(float(box[3]), right)
        if last_x <= x or last_y <= y or (last_x - x) * (last_y - y) < least_area:
            return []
        return [np.array([[x, y], [last_x, y], [last_x, last_y], [x, last_y]], np.float32)]
    rows, columns = pixels_of(box)
    first_row, first_column = max(top - rows.start, 0), max(left - columns.start, 0)
    inside = mask[
        first_row : max(bottom - rows.start, 0), first_column : max(right - columns.start, 0)
    ]
    corner = np.array([columns.start + first_column, rows.start + first_row], np.float32)
    return [outline + corner for outline in outlines(inside, least_area=least_area)]


def _limits(part: Window | None) -> tuple[int, int, int, int]:
    """Return the first row and column that count, and one past the last; 0 at the least."""
    if part is None:
        return 0, 0, np.iinfo(np.int64).max, np.iinfo(np.int64).max
    return (
        max(part.y, 0),
        max(part.x, 0),
        max(part.y + part.height, 0),
        max(part.x + part.width, 0),
    )
