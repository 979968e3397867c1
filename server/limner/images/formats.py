"""The formats, by suffix. A format's module is imported when its first file is opened."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

import numpy.typing as npt

from limner.errors import UnsupportedFormat
from limner.images.header import Header, Layout
from limner.settings import Limits


class ImageFile(Protocol):
    """A file whose header has been read."""

    @property
    def layout(self) -> Layout:
        """What the header declares."""
        ...

    def check_complete(self, limits: Limits) -> int:
        """Refuse a file that cannot hold what its header declares; costs no reading of pixels.

        Returns:
            Bytes of further files that belong to this one; 0 for all formats but `.mhd`.

        Raises:
            UnreadableImage: Too short, or a part is missing.
            ImageTooLarge: A further file is over the limits.
        """
        ...

    def pixels(self) -> npt.NDArray[Any]:
        """Read all pixels: (channels, *spatial), in this machine's byte order.

        At most what the header declares, and a little more, is read and unpacked.
        """
        ...

    def labels(self) -> npt.NDArray[Any]:
        """Read the pixels as class values: like `pixels`, but a palette's indices stay indices.

        Raises:
            UnsupportedFormat: The format cannot carry class values.
        """
        ...


class Format(Protocol):
    """What a format's module offers."""

    MASK_DTYPES: tuple[str, ...]
    """Names of the types that the values of a mask may have in this format."""

    def open_file(self, path: Path, suffix: str) -> ImageFile:
        """Read the header of one file; the suffix is one that leads to this module."""
        ...

    def encode(
        self, mask: npt.NDArray[Any], header: Header, suffix: str, *, compress: bool | None = None
    ) -> bytes:
        """Write a mask, (*spatial) of one of `MASK_DTYPES`, with the geometry of a header.

        Formats that leave a choice pack the values unless `compress` is False; others ignore it.
        """
        ...


_MODULES = {
    ".nii.gz": "nifti",
    ".nii": "nifti",
    ".nrrd": "nrrd",
    ".mha": "metaimage",
    ".mhd": "metaimage",
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".tif": "tiff",
    ".tiff": "tiff",
}


def format_of(suffix: str) -> Format:
    """Return the module that reads and writes a suffix.

    Raises:
        UnsupportedFormat: There is none.
    """
    try:
        name = _MODULES[suffix]
    except KeyError:
        raise UnsupportedFormat(
            f"Suffix {suffix!r} is no format that is read; use one of {', '.join(_MODULES)}."
        ) from None
    return cast("Format", import_module(f"limner.images.{name}"))


def open_image(path: Path, suffix: str) -> ImageFile:
    """Read the header of one file of a known suffix.

    Raises:
        UnsupportedFormat: The suffix is no format that is read.
    """
    return format_of(suffix).open_file(path, suffix)
