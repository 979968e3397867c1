"""Which file names are images, and which formats can carry a mask."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

from limner.errors import UnsupportedFormat

Kind: TypeAlias = Literal["volume", "picture"]
"""A volume has three spatial axes and an affine, a picture has two and none."""

IMAGE_SUFFIXES: Mapping[str, Kind] = MappingProxyType(
    {
        ".nii.gz": "volume",
        ".nii": "volume",
        ".nrrd": "volume",
        ".mha": "volume",
        ".mhd": "volume",
        ".png": "picture",
        ".jpg": "picture",
        ".jpeg": "picture",
        ".tif": "picture",
        ".tiff": "picture",
    }
)
"""Every suffix that is read, in lower case."""

MASK_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "application/gzip": ".nii.gz",
        "application/x-nifti+gzip": ".nii.gz",
        "application/x-nifti": ".nii",
        "application/x-nrrd": ".nrrd",
        "application/x-metaimage": ".mha",
        "image/png": ".png",
        "image/tiff": ".tif",
    }
)
"""Suffix of the mask format that a media type asks for."""

_MEDIA_TYPES: Mapping[str, str] = {
    ".nii.gz": "application/gzip",
    ".nii": "application/x-nifti",
    ".nrrd": "application/x-nrrd",
    ".mha": "application/x-metaimage",
    ".mhd": "application/x-metaimage",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".json": "application/json",
}

_MASK_SUFFIXES: Mapping[Kind, tuple[str, ...]] = {
    "volume": (".nii.gz", ".nii", ".nrrd", ".mha"),
    "picture": (".png", ".tif"),
}


def image_suffix(filename: str) -> str | None:
    """Return the suffix that makes a file name an image, in lower case; None when it is none.

    Example:
        >>> image_suffix("Patient 1.NII.GZ"), image_suffix("notes.txt")
        ('.nii.gz', None)
    """
    dot = filename.rfind(".")
    if dot < 0:
        return None
    suffix = filename[dot:].lower()
    if suffix == ".gz":
        suffix = filename[-7:].lower()
    # A name that is nothing but its suffix names no sample.
    return suffix if suffix in IMAGE_SUFFIXES and len(filename) > len(suffix) else None


def known_suffix(filename: str, suffix: str | None) -> str:
    """Return the suffix given, or else that of the file name.

    Raises:
        UnsupportedFormat: Neither is one that Limner reads.
    """
    found = image_suffix(filename) if suffix is None else suffix.lower()
    if found is None or found not in IMAGE_SUFFIXES:
        raise UnsupportedFormat(
            f"{filename}: {'the name' if suffix is None else f'suffix {suffix!r}'} does not say a "
            f"format that is read; use one of {', '.join(IMAGE_SUFFIXES)}."
        )
    return found


def media_type(suffix: str) -> str:
    """Return the media type of files with the suffix of an image or a label.

    Raises:
        UnsupportedFormat: The suffix is none of them.
    """
    try:
        return _MEDIA_TYPES[suffix.lower()]
    except KeyError:
        raise UnsupportedFormat(
            f"There is no media type for suffix {suffix!r}; use one of {', '.join(_MEDIA_TYPES)}."
        ) from None


def mask_suffixes(kind: Kind) -> tuple[str, ...]:
    """Return the suffixes of the formats that can carry a mask of such an image, best first."""
    return _MASK_SUFFIXES[kind]
