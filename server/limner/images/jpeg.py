"""JPEG: 8 bit, grey and colour. Read only, and never as a mask: it keeps no exact values.

The segments before the pixels are walked here, and metadata is left out before decoding. Rows and
columns are those stored; an EXIF rotation is not applied.

Standard: ITU-T T.81, annex B.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.errors import UnreadableImage, UnsupportedFormat
from limner.images import payload
from limner.images.header import Header, Layout
from limner.images.magic import looks_like
from limner.settings import Limits

_START, _END, _SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA
_FRAMES = range(0xC0, 0xD0)
_NOT_FRAMES = (0xC4, 0xC8, 0xCC)
_DECODED = (0xC0, 0xC1, 0xC2)
"""Baseline, extended and progressive; lossless and arithmetic coding are rare."""
_ADOBE = 0xEE
"""Says whether three components are YCbCr or RGB already."""
_METADATA = (*range(0xE1, 0xF0), 0xFE)
_TAIL = 1 << 16

MASK_DTYPES: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegFile:
    """A JPEG whose frame header has been read."""

    path: Path
    layout: Layout

    def check_complete(self, limits: Limits) -> int:
        """See `limner.images.formats.ImageFile`."""
        with open(self.path, "rb", buffering=0) as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _TAIL, 0))
            if _END not in file.read():
                raise UnreadableImage(
                    f"{self.path.name} is truncated: its end mark is missing. Copy it again from "
                    "its source."
                )
        return 0

    def pixels(self) -> npt.NDArray[Any]:
        """See `limner.images.formats.ImageFile`."""
        from PIL.JpegImagePlugin import JpegImageFile

        # Not through Image.open, whose own size limit is a global of the process; ours was applied.
        picture = JpegImageFile(io.BytesIO(without_metadata(self.path.read_bytes())))
        array = np.asarray(picture)
        return array[np.newaxis] if array.ndim == 2 else np.moveaxis(array, -1, 0)

    def labels(self) -> npt.NDArray[Any]:
        """Refuse: see the module's first line."""
        raise UnsupportedFormat(
            f"{self.path.name}: JPEG changes values, so it cannot carry a mask. Use PNG or TIFF."
        )


def open_file(path: Path, suffix: str) -> JpegFile:
    """Read the frame header.

    Raises:
        UnreadableImage: No JPEG, or damaged before the pixels.
        UnsupportedFormat: Not 8 bit, neither grey nor three colours, or a rare coding.
    """
    start = payload.read_start(path, 1 << 16)
    if not start.startswith(_START):
        raise UnreadableImage(
            f"{path.name} is not JPEG: the magic number is wrong{looks_like(start)}."
        )
    size = frame_size(start)
    if size is None:
        # Colour profiles and thumbnails may fill many segments before the frame.
        size = frame_size(path.read_bytes())
    if size is None:
        raise UnreadableImage(f"{path.name} is damaged: it has no JPEG frame header.")
    coding, depth, rows, columns, components = size
    if coding not in _DECODED or depth != 8 or components not in (1, 3):
        raise UnsupportedFormat(
            f"{path.name}: JPEG with {components} components of {depth} bit (coding "
            f"{coding:#x}) is not read; save it as 8 bit grey or RGB."
        )
    if not rows or not columns:
        raise UnreadableImage(f"{path.name}: its JPEG frame says {columns}x{rows} pixels.")
    layout = Layout(
        kind="picture",
        shape=(rows, columns),
        channels=components,
        dtype="uint8",
        spacing=(1.0, 1.0),
        affine=None,
    )
    return JpegFile(path=path, layout=layout)


def encode(
    mask: npt.NDArray[Any], header: Header, suffix: str, *, compress: bool | None = None
) -> bytes:
    """Refuse: see the module's first line."""
    raise UnsupportedFormat("JPEG changes values, so it cannot carry a mask. Use PNG or TIFF.")


def frame_size(data: bytes) -> tuple[int, int, int, int, int] | None:
    """Return coding, bits, rows, columns and components; None when no frame header is in sight."""
    for marker, start, end in _segments(data):
        if marker in _FRAMES and marker not in _NOT_FRAMES and end - start >= 10:
            rows = int.from_bytes(data[start + 5 : start + 7], "big")
            columns = int.from_bytes(data[start + 7 : start + 9], "big")
            return marker, data[start + 4], rows, columns, data[start + 9]
    return None


def without_metadata(data: bytes) -> bytes:
    """Return a JPEG without EXIF, comments and the like, up to its pixels."""
    parts = [_START]
    for marker, start, end in _segments(data):
        if marker == _SCAN:
            return b"".join([*parts, data[start:]])
        if marker not in _METADATA or marker == _ADOBE:
            parts.append(data[start:end])
    raise UnreadableImage("The JPEG ends before its pixels; copy it again from its source.")


def _segments(data: bytes) -> list[tuple[int, int, int]]:
    """List the marker segments up to the first scan: marker, first byte, one past the last."""
    found = []
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end > len(data):
            break
        found.append((marker, at, end))
        if marker == _SCAN:
            break
        at = end
    return found
