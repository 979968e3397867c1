"""Closed drawings on a picture, made into labels.

A pixel belongs to a drawing where its centre lies inside. What lies outside of the picture is cut
off.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limner.errors import GeometryMismatch, ImageTooLarge
from limner.http.monai_label.annotations.asap_document import Drawn
from limner.images import Header
from limner.images.filling import filled_cut, pixels_spanned, rows_crossed
from limner.plugin import MOST_INSTANCES, FloatArray, Instances, Mask, no_instances

MOST_PIXELS = 1_000_000_000
"""Of the windows that all drawings span together: bounds time and memory."""
MOST_CROSSINGS = 20_000_000
"""Of outlines with rows of the picture, of all drawings together: filled in some seconds."""


def check_cost(drawn: Sequence[Drawn], header: Header, most_pixels: int) -> None:
    """Refuse drawings that are too costly to fill, or that all miss the picture.

    Args:
        drawn: The drawings.
        header: Of the picture.
        most_pixels: What they may span together.

    Raises:
        ImageTooLarge: They are over `most_pixels` or `MOST_CROSSINGS`.
        GeometryMismatch: There are drawings, and none of them touches the picture.
    """
    spanned = [pixels_spanned(each.polygons, header.shape) for each in drawn]
    polygons = [polygon for each in drawn for polygon in each.polygons]
    crossed = rows_crossed(polygons, header.shape) if polygons else 0
    if sum(spanned) > most_pixels or crossed > MOST_CROSSINGS:
        raise ImageTooLarge(
            f"The {len(drawn):,} annotations together span {sum(spanned):,} pixels and cross "
            f"{crossed:,} rows; at most {most_pixels:,} and {MOST_CROSSINGS:,} are drawn. Send a "
            "mask instead."
        )
    if drawn and not any(spanned):
        height, width = header.shape
        raise GeometryMismatch(
            f"None of the {len(drawn):,} annotations touches the picture of {width} × {height} "
            "pixels (width × height). Give coordinates in pixels of this picture."
        )


def drawn_mask(drawn: Sequence[Drawn], values: Sequence[int], header: Header) -> Mask:
    """Fill drawings into a mask, later ones over earlier ones. The array is read-only.

    Args:
        drawn: The drawings.
        values: The class value of each.
        header: Of the picture.
    """
    wide = max(values, default=0) > np.iinfo(np.uint8).max
    array = np.zeros(header.shape, np.uint16 if wide else np.uint8)
    for each, value in zip(drawn, values, strict=True):
        cut = filled_cut(each.polygons, header.shape)
        array[cut.window][cut.inside] = value
    array.flags.writeable = False
    return Mask(array=array, spacing=header.spacing, affine=header.affine)


def drawn_instances(drawn: Sequence[Drawn], values: Sequence[int], header: Header) -> Instances:
    """Make an object of each drawing that covers a pixel's centre, with its tight box and score 1.

    Args:
        drawn: The drawings.
        values: The class value of each.
        header: Of the picture.

    Raises:
        ImageTooLarge: There are more than an answer may hold.
    """
    if len(drawn) > MOST_INSTANCES:
        raise ImageTooLarge(
            f"There are {len(drawn):,} annotations; at most {MOST_INSTANCES:,} objects of a "
            "picture are read."
        )
    boxes: list[FloatArray] = []
    masks: list[npt.NDArray[np.bool_]] = []
    classes: list[int] = []
    for each, value in zip(drawn, values, strict=True):
        cut = filled_cut(each.polygons, header.shape)
        rows = np.flatnonzero(cut.inside.any(axis=1))
        columns = np.flatnonzero(cut.inside.any(axis=0))
        if not len(rows):
            continue
        tight = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        top, left = cut.window[0].start, cut.window[1].start
        corners = [top + rows[0], left + columns[0], top + rows[-1] + 1, left + columns[-1] + 1]
        boxes.append(np.array(corners, np.float32))
        masks.append(cut.inside[tight].copy())
        classes.append(value)
    if not boxes:
        return no_instances(2)
    return Instances(
        boxes=np.stack(boxes),
        masks=tuple(masks),
        classes=np.array(classes, np.int64),
        scores=np.ones(len(boxes), np.float32),
    )
