"""NRRD in one file, raw, gzipped or bzip2-ed. The text header is parsed here, pixels are numpy's.

ITK can read NRRD too. It is not used, because its reader follows `data file` to any path on the
machine and gives no say in how much is allocated and unpacked; what an upload says must do neither.

Axes are (i, j, k), the fastest first, as stored. An axis that is no direction in space (`list`,
`vector`, `RGB-color`, …) holds the channels wherever it stands.

Standard: Kindlmann, "Definition of NRRD file format", https://teem.sourceforge.net/nrrd/format.html
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.errors import UnreadableImage, UnsupportedFormat
from limner.images import payload
from limner.images.faults import truncated
from limner.images.geometry import lps_to_ras, spacing_of
from limner.images.header import Header, Layout
from limner.images.magic import looks_like
from limner.images.nrrd_axes import axes_of
from limner.images.number_types import NUMBER_TYPES
from limner.settings import Limits

_LONGEST_HEADER = 1 << 22
"""Segmentations with thousands of segments stay below 4 MiB."""

_RAW, _GZIP, _BZIP2 = "raw", "gzip", "bzip2"
_ENCODINGS = {"raw": _RAW, "gzip": _GZIP, "gz": _GZIP, "bzip2": _BZIP2, "bz2": _BZIP2}

_TYPE_NAMES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long",
           "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}  # fmt: skip
_TYPES = {name: code for code, names in _TYPE_NAMES.items() for name in names}
_WRITTEN = {name: name for name in NUMBER_TYPES} | {"float32": "float", "float64": "double"}

MASK_DTYPES = NUMBER_TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class NrrdFile:
    """A NRRD file whose header has been read."""

    path: Path
    layout: Layout
    stored: np.dtype[Any]
    sizes: tuple[int, ...]
    """Length of every axis in the file, fastest first."""
    channel_axis: int | None
    encoding: str
    offset: int
    """Where the encoded pixels start."""
    skip: int
    """Bytes to leave out once decoded; -1 counts raw pixels from the end of the file."""

    @property
    def _size(self) -> int:
        return math.prod(self.sizes) * self.stored.itemsize

    def check_complete(self, limits: Limits) -> int:
        """See `limner.images.formats.ImageFile`."""
        found = self.path.stat().st_size - self.offset
        needed = self._size + max(self.skip, 0)
        if self.encoding == _RAW and found < needed:
            raise truncated(self.path, self.offset + needed, self.offset + found)
        if self.encoding == _GZIP:
            payload.check_gzip(self.path, self.offset, needed)
        return 0

    def pixels(self) -> npt.NDArray[Any]:
        """See `limner.images.formats.ImageFile`."""
        array = self._bytes().reshape(self.sizes, order="F")
        if self.channel_axis is None:
            array = array[np.newaxis]
        else:
            array = np.moveaxis(array, self.channel_axis, 0)
        # A slice of its own gets its third axis; the fourth of RGBA, coverage, is dropped.
        return array[: self.layout.channels].reshape(
            (self.layout.channels, *self.layout.shape), order="A"
        )

    def labels(self) -> npt.NDArray[Any]:
        """See `limner.images.formats.ImageFile`."""
        return self.pixels()

    def _bytes(self) -> npt.NDArray[Any]:
        if self.encoding == _RAW:
            offset = self.offset + self.skip
            if self.skip < 0:
                offset = self.path.stat().st_size - self._size
            return payload.as_values(payload.read_raw(self.path, offset, self._size), self.stored)
        read = payload.read_deflated if self.encoding == _GZIP else payload.read_bzip2
        unpacked = read(self.path, self.offset, self.skip + self._size)
        return payload.as_values(unpacked, self.stored, self.skip)


def open_file(path: Path, suffix: str) -> NrrdFile:
    """Read the header.

    Raises:
        UnreadableImage: No NRRD, or a header that makes no sense.
        UnsupportedFormat: Pixels in another file, or a type, encoding or axes that are not read.
    """
    head, end = _head(path)
    fields = _fields(path, head)
    _refuse_detached(path, fields)
    encoding = _ENCODINGS.get(fields.get("encoding", "").lower())
    if encoding is None:
        raise UnsupportedFormat(
            f"{path.name}: NRRD encoding {fields.get('encoding', '')!r} is not read; use one of "
            f"{', '.join(_ENCODINGS)}."
        )
    skip = int(fields.get("byte skip", "0"))
    if skip < -1 or skip > payload.SLACK or (skip == -1 and encoding != _RAW):
        raise UnreadableImage(f"{path.name}: its header says 'byte skip: {skip}'.")
    stored = _stored_type(path, fields)
    axes = axes_of(path, fields)
    layout = Layout(
        kind="volume",
        shape=axes.shape,
        channels=axes.channels,
        dtype=stored.name,
        spacing=spacing_of(axes.affine),
        affine=axes.affine,
    )
    return NrrdFile(
        path=path,
        layout=layout,
        stored=stored,
        sizes=axes.sizes,
        channel_axis=axes.channel_axis,
        encoding=encoding,
        offset=end,
        skip=skip,
    )


def encode(
    mask: npt.NDArray[Any], header: Header, suffix: str, *, compress: bool | None = None
) -> bytes:
    """Write a mask in left-posterior-superior space, as ITK and 3D Slicer do.

    Its values are gzipped, or raw where `compress` is False.
    """
    encoding = _RAW if compress is False else _GZIP
    affine = lps_to_ras(header.affine if header.affine is not None else np.eye(4))
    lines = [
        "NRRD0004",
        f"type: {_WRITTEN[mask.dtype.name]}",
        "dimension: 3",
        "space: left-posterior-superior",
        "sizes: " + " ".join(map(str, header.shape)),
        "space directions: " + " ".join(_vector(affine[:3, axis]) for axis in range(3)),
        "kinds: domain domain domain",
        "endian: little",
        f"encoding: {encoding}",
        "space origin: " + _vector(affine[:3, 3]),
    ]
    head = "\n".join(lines).encode("ascii") + b"\n\n"
    voxels = payload.file_order(mask)
    if encoding == _RAW:
        return b"".join([head, voxels])
    return head + payload.deflate([voxels], gzip=True)


def _vector(values: npt.NDArray[np.float64]) -> str:
    # Adding zero turns -0.0 into 0.0.
    return "(" + ",".join(repr(float(value) + 0.0) for value in values) + ")"


def _head(path: Path) -> tuple[str, int]:
    """Return the header's text and where it ends."""
    for size in (4096, _LONGEST_HEADER):
        start = payload.read_start(path, size)
        if not start.startswith(b"NRRD000"):
            raise UnreadableImage(
                f"{path.name} is not NRRD: the magic number is wrong{looks_like(start)}."
            )
        ends = [(at, len(mark)) for mark in (b"\n\n", b"\r\n\r\n") if (at := start.find(mark)) >= 0]
        if ends:
            at, length = min(ends)
            return start[:at].decode("utf-8", errors="replace"), at + length
        if len(start) < size:
            break
    raise UnreadableImage(
        f"{path.name}: its NRRD header has no end (an empty line), so the pixels are missing or "
        "in another file. Save header and pixels in one file."
    )


def _fields(path: Path, head: str) -> dict[str, str]:
    """Return the header's fields; comments and key-value pairs are left out."""
    fields: dict[str, str] = {}
    for line in head.splitlines()[1:]:
        name, colon, value = line.partition(": ")
        if not colon or line.startswith("#") or ":=" in name:
            continue
        key = name.strip().lower()
        if key in fields:
            raise UnreadableImage(f"{path.name}: its header says {key!r} twice.")
        fields[key] = value.strip()
    return fields


def _refuse_detached(path: Path, fields: dict[str, str]) -> None:
    if "data file" in fields or "datafile" in fields:
        raise UnsupportedFormat(
            f"{path.name}: its pixels are in another file; save header and pixels in one .nrrd."
        )
    if int(fields.get("line skip", fields.get("lineskip", "0"))) != 0:
        raise UnsupportedFormat(f"{path.name}: 'line skip' is not read; save it without.")


def _stored_type(path: Path, fields: dict[str, str]) -> np.dtype[Any]:
    name = fields.get("type", "")
    if name.lower() not in _TYPES:
        raise UnsupportedFormat(
            f"{path.name}: NRRD type {name!r} is not read. Save it as integers of 8 to 64 bits, "
            "float or double."
        )
    stored = np.dtype(_TYPES[name.lower()])
    if stored.itemsize == 1:
        return stored
    endian = fields.get("endian", "").lower()
    if endian not in ("little", "big"):
        raise UnreadableImage(f"{path.name}: its header says endian {endian!r}, not little or big.")
    return stored.newbyteorder("<" if endian == "little" else ">")
