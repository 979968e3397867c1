"""Reading and packing pixel bytes: raw, zlib, gzip and bzip2, never more than was announced.

A packed stream may expand to a thousand times its size and more. Whoever reads one here says first
how many bytes the header announced; at most a little more is ever unpacked.
"""

from __future__ import annotations

import bz2
import os
import zlib
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.errors import UnreadableImage
from limner.images.faults import truncated

SLACK = 1 << 20
"""Bytes that may follow the announced ones: some writers pad, a bomb does not stop there."""

DEFLATE_RATIO = 1032
"""Most bytes that one byte of a deflate stream can unpack to (zlib's technical notes)."""

_CHUNK = 1 << 18
_BLOCK = 64
_ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS
_GZIP = 16 + zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"
LEVEL = 3
"""Of deflate: masks shrink a hundredfold at any level, and higher ones take three times as long."""


def read_start(path: Path, size: int) -> bytes:
    """Read the first bytes of a file; fewer where it is shorter."""
    with open(path, "rb", buffering=0) as file:
        return file.read(size)


def unpack_start(packed: bytes, size: int) -> bytes:
    """Unpack the first bytes of a gzip stream; fewer where it holds or shows fewer."""
    return zlib.decompressobj(_GZIP).decompress(packed, size)


def read_raw(path: Path, offset: int, size: int) -> npt.NDArray[np.uint8]:
    """Read bytes as they are.

    Raises:
        UnreadableImage: The file ends too early.
    """
    array = np.fromfile(path, dtype=np.uint8, count=size, offset=offset)
    if array.size != size:
        raise truncated(path, offset + size, offset + array.size)
    return array


def check_packed_size(path: Path, packed: int, size: int) -> None:
    """Refuse a deflate stream that is too short for what it should unpack to.

    Raises:
        UnreadableImage: Even at the best ratio there is, bytes are missing.
    """
    if packed * DEFLATE_RATIO + SLACK < size:
        raise UnreadableImage(
            f"{path.name} is truncated: its header needs {size:,} bytes, and {packed:,} packed "
            "bytes cannot hold them. Copy it again from its source."
        )


def check_gzip(path: Path, offset: int, size: int) -> None:
    """Refuse a gzip stream that is truncated or expands too far, mostly without unpacking it.

    The last four bytes of a stream say how long it is unpacked. Only where they do not fit, as with
    streams of several members, is all of it unpacked and counted, in little memory.

    Args:
        path: A file.
        offset: Where the stream starts in it.
        size: How many bytes it should unpack to.

    Raises:
        UnreadableImage: It does not.
        zlib.error: The stream is damaged.
    """
    with open(path, "rb", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        check_packed_size(path, end - offset, size)
        file.seek(max(end - 4, 0))
        told = int.from_bytes(file.read(4), "little")
        if (told - size) % (1 << 32) <= SLACK:
            return
        file.seek(offset)
        filled = 0
        for chunk in _inflated(file):
            filled += len(chunk)
            if filled > size + SLACK:
                raise _too_much(path, size)
    if filled < size:
        raise truncated(path, size, filled)


def read_deflated(path: Path, offset: int, size: int) -> npt.NDArray[np.uint8]:
    """Unpack a zlib or gzip stream, its checksum verified.

    Args:
        path: A file.
        offset: Where the stream starts in it.
        size: How many bytes were announced.

    Raises:
        UnreadableImage: It holds fewer bytes, or more than a little more.
        zlib.error: The stream is damaged.
    """
    out = np.empty(size, dtype=np.uint8)
    filled = 0
    with open(path, "rb", buffering=0) as file:
        file.seek(offset)
        for chunk in _inflated(file):
            room = min(len(chunk), size - filled)
            if room > 0:
                out[filled : filled + room] = np.frombuffer(chunk, dtype=np.uint8, count=room)
            filled += len(chunk)
            if filled > size + SLACK:
                raise _too_much(path, size)
    if filled < size:
        raise truncated(path, size, filled)
    return out


def _inflated(file: RawIOBase) -> Iterator[bytes]:
    """Yield the unpacked chunks of all members of a stream; what follows the last is ignored."""
    unpacker = zlib.decompressobj(_ZLIB_OR_GZIP)
    packed = b""
    while True:
        packed = packed or file.read(_CHUNK) or b""
        chunk = unpacker.decompress(packed, _CHUNK)
        if chunk:
            yield chunk
        if unpacker.eof:
            packed = unpacker.unused_data + (file.read(len(_GZIP_MAGIC)) or b"")
            if not packed.startswith(_GZIP_MAGIC):
                return
            unpacker = zlib.decompressobj(_GZIP)
        elif not packed and not chunk:
            raise UnreadableImage(
                "The packed pixels end in the middle; the file is truncated. Copy it again from "
                "its source."
            )
        else:
            packed = unpacker.unconsumed_tail


def read_bzip2(path: Path, offset: int, size: int) -> npt.NDArray[np.uint8]:
    """Unpack a bzip2 stream; arguments and errors as in `read_deflated`."""
    out = np.empty(size, dtype=np.uint8)
    view = out.data
    filled = 0
    with open(path, "rb") as file:
        file.seek(offset)
        with bz2.BZ2File(file) as stream:
            while filled < size and (count := stream.readinto(view[filled:])):
                filled += count
            if len(stream.read(SLACK + 1)) > SLACK:
                raise _too_much(path, size)
    if filled < size:
        raise truncated(path, size, filled)
    return out


def _too_much(path: Path, size: int) -> UnreadableImage:
    return UnreadableImage(
        f"{path.name} unpacks to far more than the {size:,} bytes that its header announces; it "
        "is damaged or a decompression bomb."
    )


def as_values(
    payload: npt.NDArray[np.uint8], dtype: np.dtype[Any], offset: int = 0
) -> npt.NDArray[Any]:
    """See bytes as numbers of a type, aligned and in this machine's byte order."""
    if offset % dtype.alignment:
        payload, offset = payload[offset:].copy(), 0
    values = np.frombuffer(payload, dtype=dtype, offset=offset)
    if not dtype.isnative:
        values = values.byteswap(inplace=True).view(dtype.newbyteorder("="))
    return values


def deflate(parts: list[bytes | memoryview], *, gzip: bool) -> bytes:
    """Pack bytes fast; the same bytes give the same stream, without a time in it."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP if gzip else zlib.MAX_WBITS)
    return b"".join([*(packer.compress(part) for part in parts), packer.flush()])


def file_order(mask: npt.NDArray[Any]) -> memoryview:
    """Return the bytes of a mask as volumes store them: first axis fastest, little-endian."""
    turned = mask if mask.flags.f_contiguous else _turned(mask)
    flat = turned.ravel(order="K")
    return flat.astype(flat.dtype.newbyteorder("<"), copy=False).view(np.uint8).data


def _turned(mask: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Copy a volume to have its first axis fastest, in blocks that fit the processor's cache."""
    turned = np.empty(mask.shape, dtype=mask.dtype, order="F")
    for first in range(0, mask.shape[0], _BLOCK):
        for second in range(0, mask.shape[1], _BLOCK):
            block = np.s_[first : first + _BLOCK, second : second + _BLOCK]
            turned[block] = mask[block]
    return turned
