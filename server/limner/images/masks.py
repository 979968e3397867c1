"""Masks: class values read from any format, checked against an image, written on its geometry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.errors import GeometryMismatch, InvalidLabelValues, UnsupportedFormat
from limner.images.faults import image_errors
from limner.images.formats import format_of
from limner.images.geometry import affine_text, same_place
from limner.images.header import Header
from limner.images.number_types import of_type
from limner.images.reading import check_finite, open_checked
from limner.images.suffixes import mask_suffixes
from limner.plugin import LabelSchema, Mask
from limner.plugin.schema import MAX_VALUE
from limner.settings import Limits

_CHUNK = 1 << 14
"""Pixels looked at in one go: bounds the temporary memory of a check."""


def read_mask(path: Path, limits: Limits, *, suffix: str | None = None) -> Mask:
    """Read a label file. The array is uint8 where the values allow, else uint16, and read-only.

    Args:
        path: A file.
        limits: What it may ask for.
        suffix: Names the format where the path does not, as with content-addressed files.

    Raises:
        InvalidLabelValues: Several channels, or values that are no whole numbers from 0 to 65535.
        UnsupportedFormat: A format that keeps no exact values, such as JPEG.
        ImageError: As in `limner.images.read_image`.
    """
    header, file = open_checked(path, limits, suffix)
    with image_errors(path):
        array = file.labels()
        if array.shape[0] != 1:
            raise InvalidLabelValues(
                f"{path.name} has {array.shape[0]} channels; a mask has one. Save the class values "
                "as a single grey or scalar channel, not as colours or layers."
            )
        if array.shape[1:] != header.shape:
            raise GeometryMismatch(
                f"{path.name}: its pixels have shape {array.shape[1:]}, its header says "
                f"{header.shape}. Save it again."
            )
        check_finite(array, path)
        values = label_values(array[0], path.name)
        values = values.view()
        values.flags.writeable = False
    return Mask(array=values, spacing=header.spacing, affine=header.affine)


def check_mask(mask: Mask, header: Header, schema: LabelSchema) -> None:
    """Refuse a mask that does not lie on its image, or holds values that the schema has not.

    Raises:
        GeometryMismatch: As in `check_place`.
        InvalidLabelValues: The message lists the values.
    """
    check_place(mask, header)
    strange = sorted(set(_values_of(mask.array)) - set(schema.values))
    if strange:
        shown = ", ".join(map(str, strange[:10])) + (", …" if len(strange) > 10 else "")
        raise InvalidLabelValues(
            f"The mask holds the values {shown}, which the schema has not; it has "
            f"{', '.join(map(str, schema.values))}."
        )


def check_place(mask: Mask, header: Header) -> None:
    """Refuse a mask that does not lie on its image.

    The affines of volumes are compared at the corners (`limner.images.geometry.same_place`);
    pictures, and headers without an affine, compare their shapes only.

    Raises:
        GeometryMismatch: Another shape or affine; the message says both.
    """
    shape = tuple(mask.array.shape)
    if shape != header.shape:
        raise GeometryMismatch(
            f"The mask has shape {shape}, its image {header.shape}. Draw it on the image's own "
            "grid, or resample it there."
        )
    if header.affine is not None:
        if mask.affine is None:
            raise GeometryMismatch(
                f"The mask has no affine, its image has {affine_text(header.affine)}. Save the "
                "mask as a volume, with the image's geometry."
            )
        if not same_place(header.affine, mask.affine, header.shape):
            raise GeometryMismatch(
                f"The mask has affine {affine_text(mask.affine)}, its image "
                f"{affine_text(header.affine)} (voxel to RAS+ mm). Save the mask with the image's "
                "geometry."
            )


def encode_mask(
    mask: Mask,
    header: Header,
    suffix: str,
    *,
    dtype: str | None = None,
    compress: bool | None = None,
) -> bytes:
    """Write a mask with its image's own geometry. The same mask gives the same bytes.

    Args:
        mask: Of the image's shape; its own spacing and affine are not used.
        header: The image's.
        suffix: One of `limner.images.mask_suffixes(header.kind)`.
        dtype: Type of the values on disk, by its numpy name: 8 or 16 bits without a sign in PNG,
            whole numbers of 8 to 64 bits and floats in the others. None takes uint8 where the
            values allow, else uint16.
        compress: Whether NRRD and MetaImage are packed; None packs them. Other formats have no
            choice.

    Raises:
        GeometryMismatch: Another shape.
        InvalidLabelValues: Values that are no whole numbers from 0 to 65535, or too large for the
            type.
        UnsupportedFormat: The format cannot carry a mask of such an image, or not with such a
            type.
    """
    allowed = mask_suffixes(header.kind)
    if suffix not in allowed:
        raise UnsupportedFormat(
            f"A mask of a {header.kind} cannot be written as {suffix!r}; use one of "
            f"{', '.join(allowed)}."
        )
    if tuple(mask.array.shape) != header.shape:
        raise GeometryMismatch(
            f"The mask has shape {tuple(mask.array.shape)}, its image {header.shape}; a mask is "
            "written on its image's own grid only."
        )
    form = format_of(suffix)
    values = label_values(mask.array, "the mask")
    if dtype is not None:
        values = of_type(values, dtype, form.MASK_DTYPES, suffix)
    return form.encode(values, header, suffix, compress=compress)


def label_values(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Return class values as uint8 where they fit, else as uint16; uint8 comes back uncopied.

    Raises:
        InvalidLabelValues: Values that are no whole numbers from 0 to 65535.
    """
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "b":
        return array.view(np.uint8)
    if array.dtype.kind not in "iuf":
        raise InvalidLabelValues(f"{name} holds {array.dtype.name}, not class values.")
    low, high = array.min(), array.max()
    if low < 0 or high > MAX_VALUE:
        raise InvalidLabelValues(
            f"{name} holds values from {low} to {high}; class values are whole numbers from 0 to "
            f"{MAX_VALUE}."
        )
    # Only finite values in range reach the cast; NaN fails the comparison with its own copy.
    with np.errstate(invalid="ignore"):
        values = array.astype(np.uint8 if high <= 255 else np.uint16, order="K")
    if array.dtype.kind == "f" and not np.array_equal(values, array):
        bad = array[values != array].flat[0]
        raise InvalidLabelValues(
            f"{name} holds {bad}, which is not a whole number. Class values must not be "
            "interpolated: resample masks with nearest neighbour."
        )
    return values


def _values_of(array: npt.NDArray[Any]) -> Iterator[int]:
    seen = np.zeros(MAX_VALUE + 1, dtype=np.bool_)
    flat = label_values(array, "the mask").ravel(order="K")
    for start in range(0, flat.size, _CHUNK):
        chunk = flat[start : start + _CHUNK]
        low, high = chunk.min(), chunk.max()
        seen[low] = seen[high] = True
        # Most of a mask is one value far and wide; marking each pixel is a hundred times slower.
        if high - low > 1:
            seen[chunk] = True
    yield from map(int, np.flatnonzero(seen))
