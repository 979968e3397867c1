"""What one annotation of a COCO file says of pixels: a box, and a mask where it has one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.errors import GeometryMismatch, ImageTooLarge, InvalidLabelValues
from limner.images.coco_document import Entry
from limner.images.run_lengths import (
    BrokenRuns,
    Runs,
    outline_of,
    runs_of_counts,
    runs_of_polygons,
    unpacked,
)
from limner.images.strict_json import shown
from limner.plugin import FloatArray

OUTSIDE = 1.0
"""Pixels that a box or a polygon may stick out of its image, since some tools count from the
centres of pixels. What sticks out is cut off."""

LONGEST_OUTLINES = 20_000_000
"""Of all polygons of a file together, in pixels: 300 for each of the most objects there may be,
which are drawn in some seconds."""

_FEWEST_NUMBERS = 6
"""Of a polygon: three points."""


class ShapeReader:
    """Reads the annotations of one image, and keeps what they ask for in bounds."""

    def __init__(self, shape: Sequence[int], most_pixels: int) -> None:
        """Read annotations of an image.

        Args:
            shape: (2,), its rows and columns.
            most_pixels: What the masks of all objects, cut to their boxes, may hold together.
        """
        self._shape = (int(shape[0]), int(shape[1]))
        self._most_pixels = most_pixels
        self._pixels = 0
        self._outline = 0.0

    def read(
        self, annotation: Entry, where: str
    ) -> tuple[FloatArray, npt.NDArray[np.bool_] | None]:
        """Return the box, (4,) first corner then last, and the mask cut to it.

        The box of a mask is its tight one. Without a segmentation the mask is None.

        Args:
            annotation: As parsed.
            where: Which it is, for messages.

        Raises:
            GeometryMismatch: It does not lie on the image.
            InvalidLabelValues: It is malformed, a crowd, or without a pixel.
            ImageTooLarge: The objects of the file ask for too much.
        """
        crowd = annotation.get("iscrowd", 0)
        if crowd not in (0, 1) or isinstance(crowd, float):
            raise InvalidLabelValues(f"{where} says iscrowd {shown(crowd)}, which must be 0.")
        if crowd:
            raise InvalidLabelValues(
                f"{where} is a crowd (iscrowd 1): many objects under one mask, which are no "
                "instance. Separate them, or leave it out."
            )
        segmentation = annotation.get("segmentation")
        box = None if annotation.get("bbox") is None else self._box(annotation["bbox"], where)
        if segmentation is None or segmentation == []:
            if box is None:
                raise InvalidLabelValues(f"{where} has neither a segmentation nor a bbox.")
            return box, None
        try:
            runs = self._runs(segmentation, where)
        except BrokenRuns as error:
            raise InvalidLabelValues(f"{where}: its segmentation {error}.") from error
        if not len(runs.starts):
            raise InvalidLabelValues(f"{where} covers no pixel. Leave it out, or draw it larger.")
        tight = runs.box()
        self._pixels += (tight[2] - tight[0]) * (tight[3] - tight[1])
        if self._pixels > self._most_pixels:
            raise ImageTooLarge(
                f"{where}: the boxes of the objects so far together hold {self._pixels:,} pixels, "
                f"more than the {self._most_pixels:,} of max_voxels in the limits. Objects that "
                "are scattered over the whole image are rarely meant."
            )
        return np.array(tight, np.float32), runs.mask(tight)

    def _box(self, given: Any, where: str) -> FloatArray:
        left, top, width, height = _numbers(given, where, "bbox", exactly=4)
        if not (width > 0 and height > 0):
            raise InvalidLabelValues(
                f"{where} has the box {_plain(given)} (x, y, width, height), which is empty."
            )
        corners = (top, left, top + height, left + width)
        cut = [min(max(at, 0), side) for at, side in zip(corners, self._shape * 2, strict=True)]
        outside = max(abs(at - inside) for at, inside in zip(corners, cut, strict=True)) > OUTSIDE
        box: FloatArray = np.array(cut, np.float32)
        if outside or not (box[0] < box[2] and box[1] < box[3]):
            raise GeometryMismatch(
                f"{where} has the box {_plain(given)} (x, y, width, height), which is not inside "
                f"the image of {self._shape[1]} × {self._shape[0]} pixels (width × height)."
            )
        return box

    def _runs(self, segmentation: Any, where: str) -> Runs:
        if isinstance(segmentation, list):
            polygons = [self._polygon(each, where) for each in segmentation]
            self._outline += sum(map(outline_of, polygons))
            if self._outline > LONGEST_OUTLINES:
                raise ImageTooLarge(
                    f"{where}: the polygons so far are {self._outline:,.0f} pixels long; at most "
                    f"{LONGEST_OUTLINES:,} of a file are drawn. Give run lengths instead."
                )
            return runs_of_polygons(polygons, self._shape)
        if not isinstance(segmentation, dict):
            raise InvalidLabelValues(
                f"{where}: its segmentation is {shown(segmentation)}; it must be a list of "
                "polygons, or run lengths with size and counts."
            )
        return self._run_lengths(segmentation, where)

    def _polygon(self, given: Any, where: str) -> npt.NDArray[np.float64]:
        numbers = np.array(_numbers(given, where, "polygon"), np.float64)
        if len(numbers) < _FEWEST_NUMBERS or len(numbers) % 2:
            raise InvalidLabelValues(
                f"{where} has a polygon of {len(numbers)} numbers; it needs x and y of at least "
                "three points."
            )
        x, y = numbers[::2], numbers[1::2]
        height, width = self._shape
        least = float(numbers.min())
        if least < -OUTSIDE or x.max() > width + OUTSIDE or y.max() > height + OUTSIDE:
            raise GeometryMismatch(
                f"{where} has a polygon from x {x.min():g} to {x.max():g} and y {y.min():g} to "
                f"{y.max():g}, which is not inside the image of {width} × {height} pixels (width × "
                "height)."
            )
        return numbers

    def _run_lengths(self, given: Entry, where: str) -> Runs:
        size, counts = given.get("size"), given.get("counts")
        if not isinstance(size, list) or [*map(type, size)] != [int, int]:
            raise InvalidLabelValues(
                f"{where}: the size of its run lengths is {shown(size)}, not [height, width]."
            )
        if tuple(size) != self._shape:
            raise GeometryMismatch(
                f"{where}: its run lengths are of size {size} (height, width), its image of "
                f"{list(self._shape)}."
            )
        if isinstance(counts, str):
            # No mask needs more than a count a pixel, six characters each.
            if not counts.isascii() or len(counts) > 6 * (math.prod(self._shape) + 1):
                raise InvalidLabelValues(f"{where}: its counts are no packed run lengths.")
            return runs_of_counts(unpacked(counts.encode("ascii")), self._shape)
        if not isinstance(counts, list) or not all(type(each) is int for each in counts):
            raise InvalidLabelValues(
                f"{where}: its counts are {shown(counts)}, neither a list of whole numbers nor "
                "packed text."
            )
        return runs_of_counts(np.array(counts, np.int64), self._shape)


def _numbers(given: Any, where: str, what: str, *, exactly: int | None = None) -> list[float]:
    """Return a list of numbers that a file must have; JSON was read with finite ones only."""
    if not isinstance(given, list) or (exactly is not None and len(given) != exactly):
        wanted = "a list of numbers" if exactly is None else f"a list of {exactly} numbers"
        raise InvalidLabelValues(f"{where}: its {what} is {shown(given)}, not {wanted}.")
    for each in given:
        if type(each) is not int and type(each) is not float:
            raise InvalidLabelValues(f"{where}: its {what} holds {shown(each)}, no number.")
    return given


def _plain(numbers: Sequence[float]) -> str:
    return "[" + ", ".join(f"{each:g}" for each in numbers) + "]"
