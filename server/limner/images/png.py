"""PNG: 8 and 16 bit, grey, RGB and palette. Opacity is dropped, colours are kept.

The chunks are walked here: checksums are verified, and only what makes pixels is passed on to a
decoder, so no text, profile or animation in the file can do harm. Values are those stored: 1, 2 and
4 bit pictures are not stretched to 255. In a mask the indices of a palette are the class values.

Standard: W3C, Portable Network Graphics, third edition.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.errors import UnreadableImage
from limner.images import payload
from limner.images.header import Header, Layout
from limner.images.magic import looks_like
from limner.images.quiet import silence
from limner.settings import Limits

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_NEEDED = (b"IHDR", b"PLTE", b"IDAT", b"IEND")

_GREY, _RGB, _PALETTE = 0, 2, 3
_STORED_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Values for each pixel by colour type; the last of an even number is opacity."""
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_STRETCH = {2: 85, 4: 17}
"""What decoders multiply 2 and 4 bit greys by."""

MASK_DTYPES = ("uint8", "uint16")


@dataclass(frozen=True, slots=True, kw_only=True)
class PngFile:
    """A PNG whose header has been read."""

    path: Path
    layout: Layout
    depth: int
    colour: int

    def check_complete(self, limits: Limits) -> int:
        """See `limner.images.formats.ImageFile`."""
        rows, columns = self.layout.shape
        line = 1 + (columns * _STORED_CHANNELS[self.colour] * self.depth + 7) // 8
        payload.check_packed_size(self.path, self.path.stat().st_size, rows * line)
        with open(self.path, "rb", buffering=0) as file:
            file.seek(-len(_END), os.SEEK_END)
            if file.read() != _END:
                _walk_to_end(self.path, file)
        return 0

    def pixels(self) -> npt.NDArray[Any]:
        """See `limner.images.formats.ImageFile`."""
        data = _clean(self.path)
        if self.colour == _PALETTE:
            return _channels_first(_pillow(data).convert("RGB"))
        return self._grey_or_rgb(data)

    def labels(self) -> npt.NDArray[Any]:
        """See `limner.images.formats.ImageFile`."""
        data = _clean(self.path)
        if self.colour == _PALETTE:
            return _channels_first(_pillow(data))
        return self._grey_or_rgb(data)

    def _grey_or_rgb(self, data: bytes) -> npt.NDArray[Any]:
        if self.depth < 8:
            # A bit is decoded as a truth value, more bits as stretched greys.
            array = _channels_first(_pillow(data)).astype(np.uint8)
            return array // np.uint8(_STRETCH.get(self.depth, 1))
        import imagecodecs

        silence("imagecodecs")
        # Pillow would cut 16 bit colours down to 8.
        return _channels_first(imagecodecs.png_decode(data))[: self.layout.channels]


def open_file(path: Path, suffix: str) -> PngFile:
    """Read the first chunk.

    Raises:
        UnreadableImage: No PNG, or a header that makes no sense.
    """
    start = payload.read_start(path, 33)
    if not start.startswith(_SIGNATURE):
        raise UnreadableImage(
            f"{path.name} is not PNG: the magic number is wrong{looks_like(start)}."
        )
    if len(start) < 33 or start[8:16] != b"\x00\x00\x00\rIHDR":
        raise UnreadableImage(f"{path.name} does not start with a whole PNG header.")
    columns, rows, depth, colour, *rest = struct.unpack(">IIBBBBB", start[16:29])
    is_sound = zlib.crc32(start[12:29]) == int.from_bytes(start[29:33], "big")
    if not is_sound or depth not in _DEPTHS.get(colour, ()) or not rows or not columns:
        raise UnreadableImage(
            f"{path.name}: its PNG header is damaged ({columns}x{rows} pixels, depth {depth}, "
            f"colour type {colour}, {rest}, checksum {'right' if is_sound else 'wrong'})."
        )
    layout = Layout(
        kind="picture",
        shape=(rows, columns),
        channels=3 if colour in (_RGB, _PALETTE, 6) else 1,
        dtype="uint16" if depth == 16 else "uint8",
        spacing=(1.0, 1.0),
        affine=None,
    )
    return PngFile(path=path, layout=layout, depth=depth, colour=colour)


def encode(
    mask: npt.NDArray[Any], header: Header, suffix: str, *, compress: bool | None = None
) -> bytes:
    """Write a mask as grey values of 8 or 16 bit, always packed."""
    import imagecodecs

    return bytes(imagecodecs.png_encode(np.ascontiguousarray(mask), level=payload.LEVEL))


def _walk_to_end(path: Path, file: io.FileIO) -> None:
    """Go from chunk to chunk without reading them; something may follow the last."""
    at = file.seek(len(_SIGNATURE))
    size = os.fstat(file.fileno()).st_size
    while at + 12 <= size:
        file.seek(at)
        length, name = struct.unpack(">I4s", file.read(8))
        at += 12 + length
        if name == b"IEND" and at <= size:
            return
    raise _cut_short(path)


def _clean(path: Path) -> bytes:
    """Return the file with nothing but the chunks that make pixels, their checksums verified."""
    data = memoryview(path.read_bytes())
    parts: list[bytes | memoryview] = [_SIGNATURE]
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        name, end = bytes(data[at + 4 : at + 8]), at + 12 + length
        if end > len(data):
            break
        if name in _NEEDED:
            if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                raise UnreadableImage(
                    f"{path.name} is damaged: the checksum of chunk {name.decode()} at byte {at} "
                    "is wrong."
                )
            parts.append(data[at:end])
        if name == b"IEND":
            return b"".join(parts)
        at = end
    raise _cut_short(path)


def _cut_short(path: Path) -> UnreadableImage:
    return UnreadableImage(
        f"{path.name} is truncated: its last chunk is missing. Copy it again from its source."
    )


def _pillow(data: bytes) -> Any:
    from PIL.PngImagePlugin import PngImageFile

    # Not through Image.open, whose own size limit is a global of the process; ours was applied.
    return PngImageFile(io.BytesIO(data))


def _channels_first(picture: Any) -> npt.NDArray[Any]:
    array = np.asarray(picture)
    return array[np.newaxis] if array.ndim == 2 else np.moveaxis(array, -1, 0)
