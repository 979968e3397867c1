"""Reading one file: size first, then the header, then the pixels."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.errors import ImageTooLarge, UnreadableImage
from limner.images.faults import image_errors
from limner.images.formats import ImageFile, open_image
from limner.images.header import LATEST_NS, Header
from limner.images.suffixes import known_suffix
from limner.plugin import Image
from limner.settings import Limits


def read_header(path: Path, limits: Limits, *, suffix: str | None = None) -> Header:
    """Read what a file says of its image, and no pixel.

    Args:
        path: A file.
        limits: What it may ask for.
        suffix: Names the format where the path does not.

    Raises:
        UnsupportedFormat: No format that is read.
        ImageTooLarge: Over the limits.
        UnreadableImage: Not a file, truncated, foreign or damaged.
    """
    return open_checked(path, limits, suffix)[0]


def read_image(
    path: Path,
    limits: Limits,
    *,
    suffix: str | None = None,
    name: str = "",
    modality: str = "unknown",
) -> Image:
    """Read one file. The array is read-only.

    Args:
        path: A file.
        limits: What it may ask for.
        suffix: Names the format where the path does not.
        name: The sample's, for messages only.
        modality: DICOM modality code, or `unknown`.

    Raises:
        ImageError: As in `read_header`; also damaged pixels, or values that are not finite.
    """
    header, file = open_checked(path, limits, suffix)
    with image_errors(path):
        array = file.pixels()
        if array.shape != (header.channels, *header.shape):
            raise UnreadableImage(
                f"{path.name}: its pixels have shape {array.shape}, its header says "
                f"{(header.channels, *header.shape)} (channels first). Save it again."
            )
        check_finite(array, path)
        array = array.view()
        array.flags.writeable = False
    return Image(
        array=array,
        spacing=header.spacing,
        affine=header.affine,
        modality=modality,
        name=name or path.name,
    )


def open_checked(path: Path, limits: Limits, suffix: str | None) -> tuple[Header, ImageFile]:
    """Read a header and hold it against the limits, before any pixel is read.

    Raises:
        ImageError: As in `read_header`.
    """
    known = known_suffix(path.name, suffix)
    with image_errors(path):
        check_regular(path, limits)
        status = os.stat(path)
        file = open_image(path, known)
        layout = file.layout
        voxels = layout.channels
        for length in layout.shape:
            voxels *= length
        if voxels > limits.max_voxels:
            raise ImageTooLarge(
                f"{path.name} says it holds {voxels:,} voxels (shape {layout.shape}, "
                f"{layout.channels} channels), more than the {limits.max_voxels:,} of max_voxels "
                "in the limits."
            )
        extra = file.check_complete(limits)
        header = Header(
            kind=layout.kind,
            shape=layout.shape,
            channels=layout.channels,
            dtype=layout.dtype,
            spacing=layout.spacing,
            affine=layout.affine,
            nifti=layout.nifti,
            format=known,
            size_bytes=status.st_size + extra,
            modified_ns=min(status.st_mtime_ns, LATEST_NS),
        )
    return header, file


def check_regular(path: Path, limits: Limits) -> int:
    """Refuse what is not a file, and what `check_file_size` refuses; return the size in bytes.

    Raises:
        OSError: There is nothing of that name, or it may not be read.
        UnreadableImage: A folder, a pipe or a device, or empty.
        ImageTooLarge: The file is over `max_file_bytes`.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableImage(f"{path.name} is not a file.")
    check_file_size(path, status.st_size, limits)
    return status.st_size


def check_file_size(path: Path, size: int, limits: Limits) -> None:
    """Refuse an empty file, and one over the limits.

    Raises:
        UnreadableImage: The file is empty.
        ImageTooLarge: The file is over `max_file_bytes`.
    """
    if size == 0:
        raise UnreadableImage(f"{path.name} is empty.")
    if size > limits.max_file_bytes:
        raise ImageTooLarge(
            f"{path.name} has {size:,} bytes, more than the {limits.max_file_bytes:,} of "
            "max_file_bytes in the limits."
        )


def check_finite(array: npt.NDArray[Any], path: Path) -> None:
    """Refuse NaN and infinity, without a temporary array.

    Raises:
        UnreadableImage: At least one value is not finite.
    """
    if array.dtype.kind != "f":
        return
    with np.errstate(all="ignore"):
        low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UnreadableImage(
            f"{path.name} holds values that are not finite (NaN or infinity). Replace them, for "
            "example by the background's value, and save it again."
        )
