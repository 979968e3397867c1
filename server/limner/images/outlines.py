"""Areas of a picture as closed outlines, and back.

Coordinates count pixels from the outer corner of the first one, x along the columns and y along the
rows: pixel (row, column) reaches from (column, row) to (column + 1, row + 1). QuPath, CVAT, the
Digital Slide Archive and COCO count so too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from limner.images.filling import filled_cut
from limner.plugin import FloatArray

_BETWEEN = 0.5
"""Half way from outside (0) to inside (1): an outline runs half way between their pixels."""
_ABOVE = 2.0

_Rings: TypeAlias = tuple[list[npt.NDArray[np.float64]], list[npt.NDArray[np.uint32]]]
"""Of each area the points of all its rings, and where each ring starts in them."""


def outlines(area: npt.NDArray[np.bool_], *, least_area: float = 0.0) -> list[FloatArray]:
    """Return the outer outlines of an area, the largest first.

    They run half way between the centres of pixels inside and outside, so `filled` gives back
    exactly the area without its holes: holes are not outlined, and what lies in one is outlined by
    itself. Pixels that touch at a corner only have outlines of their own. Needs some 30 bytes for
    each pixel of the box around the area while it works.

    Args:
        area: (rows, columns), True inside.
        least_area: Outlines that enclose less, in square pixels, are left out. That of a single
            pixel encloses 0.5, since its corners are cut.

    Returns:
        Each (n, 2), x and y of its corners; the last is joined to the first, which is not
        repeated.
    """
    rows, columns = np.flatnonzero(area.any(axis=1)), np.flatnonzero(area.any(axis=0))
    if not len(rows):
        return []
    top, left = int(rows[0]), int(columns[0])
    cut = area[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    # Imported here: a server that draws no outline need not load it.
    from contourpy import FillType, contour_generator

    # A frame of pixels outside closes what ends at the border.
    generator = contour_generator(
        z=np.pad(cut, 1).astype(np.float64), fill_type=FillType.OuterOffset
    )
    points, offsets = cast("_Rings", generator.filled(_BETWEEN, _ABOVE))
    # It counts from the centre of the frame's first pixel.
    shift = np.array([left - 0.5, top - 0.5])
    # The first ring of each area is its outer one; its last point repeats the first.
    found = [
        _corners(rings[: ends[1] - 1] + shift) for rings, ends in zip(points, offsets, strict=True)
    ]
    sized = sorted(((enclosed(each), each) for each in found), key=lambda pair: -pair[0])
    return [each for size, each in sized if size >= least_area]


def enclosed(polygon: npt.NDArray[Any]) -> float:
    """Return the area that a closed outline encloses, in square pixels.

    Args:
        polygon: (n, 2), x and y of its corners.
    """
    # Counted from the first corner: far from the origin the products would lose digits.
    x, y = (polygon.astype(np.float64) - polygon[0]).T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def filled(polygon: npt.NDArray[Any], shape: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Return the pixels whose centres lie inside of a closed outline, by the even-odd rule.

    Args:
        polygon: (n, 2), x and y of its corners, finite; what lies outside of the picture is cut
            off.
        shape: (2,), rows and columns of the picture.
    """
    area = np.zeros(tuple(shape), np.bool_)
    cut = filled_cut([polygon], shape)
    area[cut.window] = cut.inside
    return area


def _corners(points: npt.NDArray[np.float64]) -> FloatArray:
    """Leave out the points between which an outline goes straight on."""
    step = points - np.roll(points, 1, axis=0)
    following = np.roll(step, -1, axis=0)
    # Exact: all coordinates are halves.
    turns = step[:, 0] * following[:, 1] != step[:, 1] * following[:, 0]
    corners: FloatArray = points[turns].astype(np.float32)
    return corners
