"""Images for exports: copied as they lie, or written as gzipped NIfTI or PNG."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.errors import UnsupportedFormat
from limner.images import Header, ImageSource, image_suffix
from limner.plugin import Affine, Image

_IN_TWO_FILES = ".mhd"


def single_file(source: ImageSource, header: Header) -> tuple[bytes | Path, str]:
    """Return an image as one file, with its suffix: its own, byte for byte, where it is one.

    What lies in several files, or keeps its pixels in another, is written as one.

    Raises:
        ImageError: It cannot be read, or its channels cannot be one file.
    """
    suffix = image_suffix(source.paths[0].name) or ""
    if len(source.paths) == 1 and suffix != _IN_TWO_FILES:
        return source.paths[0], suffix
    if len(header.shape) == 3:
        return whole_volume(source), ".nii.gz"
    return encode_picture(source.read().array, source.name), ".png"


def whole_volume(source: ImageSource) -> bytes:
    """Return a volume as `.nii.gz`, its channels along a fourth axis where there are several."""
    image = source.read()
    array = image.array[0] if image.channels == 1 else np.moveaxis(image.array, 0, -1)
    return encode_volume(array, affine_of(image))


def affine_of(image: Image) -> Affine:
    """Return an image's affine; voxel indices are millimetres where it has none."""
    return np.eye(4) if image.affine is None else image.affine


def encode_volume(array: npt.NDArray[Any], affine: Affine) -> bytes:
    """Write a volume as `.nii.gz`; the same volume gives the same bytes.

    Args:
        array: (i, j, k), or (i, j, k, channels).
        affine: (4, 4), voxel indices to RAS+ millimetres.
    """
    # Imported here: a server that exports nothing need not load it.
    import nibabel

    # NIfTI readers seldom take 64-bit integers or half floats.
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8:
        array = array.astype(np.int32 if _fits(array, np.int32) else np.float64)
    elif array.dtype == np.float16:
        array = array.astype(np.float32)
    image = nibabel.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    data: bytes = gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)
    return data


def encode_picture(array: npt.NDArray[Any], name: str) -> bytes:
    """Write a picture as PNG.

    Args:
        array: (channels, rows, columns), uint8 or uint16, of one or three channels.
        name: For messages.

    Raises:
        UnsupportedFormat: PNG cannot carry it.
    """
    if array.dtype not in (np.uint8, np.uint16) or len(array) not in (1, 3):
        raise UnsupportedFormat(
            f"{name}: {len(array)} channels of {array.dtype.name} cannot be a PNG; it carries one "
            "or three channels of 8 or 16 bits."
        )
    import imagecodecs

    pixels = array[0] if len(array) == 1 else np.moveaxis(array, 0, -1)
    return bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels)))


def _fits(array: npt.NDArray[Any], dtype: type[np.int32]) -> bool:
    limits = np.iinfo(dtype)
    return bool(array.size == 0 or (array.min() >= limits.min and array.max() <= limits.max))
