"""MetaImage: `.mha` in one file, `.mhd` with its pixels beside it; raw or deflated.

As with NRRD the text header is parsed here, so that a header can neither name a file elsewhere on
the machine nor have memory allocated for what it only claims.

Axes are (i, j, k), the fastest first, as stored; channels are interleaved and come first.

Standard: https://itk.org/Wiki/ITK/MetaIO/Documentation. A row of `TransformMatrix` is the direction
of one axis, in LPS+ millimetres.
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
from limner.images.geometry import affine_of, checked_affine, lps_to_ras, spacing_of
from limner.images.header import Header, Layout
from limner.images.magic import looks_like
from limner.images.number_types import NUMBER_TYPES
from limner.images.reading import check_file_size
from limner.plugin import Affine
from limner.settings import Limits

_LONGEST_HEADER = 1 << 16

_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4",
    "MET_UINT": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}  # fmt: skip
_WRITTEN = {np.dtype(code).name: name for name, code in _TYPES.items()}

MASK_DTYPES = NUMBER_TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaImageFile:
    """A MetaImage whose header has been read."""

    path: Path
    layout: Layout
    stored: np.dtype[Any]
    pixels_path: Path
    """The file itself, or the companion of a `.mhd`."""
    offset: int
    """Where the pixels start; -1 counts from the end of the file."""
    is_packed: bool
    packed_size: int
    """Length of the packed pixels as the header declares it; 0 when it does not."""

    @property
    def _size(self) -> int:
        return math.prod(self.layout.shape) * self.layout.channels * self.stored.itemsize

    def check_complete(self, limits: Limits) -> int:
        """See `limner.images.formats.ImageFile`."""
        if not self.pixels_path.is_file():
            raise UnreadableImage(
                f"{self.path.name}: its pixels should be in {self.pixels_path.name} beside it, "
                "which is missing. Put it there, or save one .mha."
            )
        whole = self.pixels_path.stat().st_size
        if self.pixels_path != self.path:
            check_file_size(self.pixels_path, whole, limits)
        found = whole - max(self.offset, 0)
        if self.is_packed:
            if found < self.packed_size:
                raise truncated(self.pixels_path, whole - found + self.packed_size, whole)
            payload.check_packed_size(self.pixels_path, found, self._size)
        elif found < self._size:
            raise truncated(self.pixels_path, max(self.offset, 0) + self._size, whole)
        return 0 if self.pixels_path == self.path else whole

    def pixels(self) -> npt.NDArray[Any]:
        """See `limner.images.formats.ImageFile`."""
        offset = self.offset
        if offset < 0:
            offset = self.pixels_path.stat().st_size - self._size
        read = payload.read_deflated if self.is_packed else payload.read_raw
        values = payload.as_values(read(self.pixels_path, offset, self._size), self.stored)
        return values.reshape((self.layout.channels, *self.layout.shape), order="F")

    def labels(self) -> npt.NDArray[Any]:
        """See `limner.images.formats.ImageFile`."""
        return self.pixels()


def open_file(path: Path, suffix: str) -> MetaImageFile:
    """Read the header.

    Raises:
        UnreadableImage: No MetaImage, or a header that makes no sense.
        UnsupportedFormat: Pixels in several files or as text, or a type that is not read.
    """
    fields, end = _fields(path)
    stored = _stored_type(path, fields)
    shape, affine = _geometry(path, fields)
    is_packed = _says_yes(fields.get("CompressedData", "False"))
    pixels_path, offset = _where(path, fields, end, is_packed)
    channels = int(fields.get("ElementNumberOfChannels", "1"))
    if channels < 1:
        raise UnreadableImage(f"{path.name}: its header says {channels} channels.")
    layout = Layout(
        kind="volume",
        shape=shape,
        channels=channels,
        dtype=stored.name,
        spacing=spacing_of(affine),
        affine=affine,
    )
    return MetaImageFile(
        path=path,
        layout=layout,
        stored=stored,
        pixels_path=pixels_path,
        offset=offset,
        is_packed=is_packed,
        packed_size=max(int(fields.get("CompressedDataSize", "0")), 0),
    )


def encode(
    mask: npt.NDArray[Any], header: Header, suffix: str, *, compress: bool | None = None
) -> bytes:
    """Write a mask with its pixels in the same file: deflated, or raw if `compress` is False."""
    affine = lps_to_ras(header.affine if header.affine is not None else np.eye(4))
    sides = np.linalg.norm(affine[:3, :3], axis=0)
    voxels: bytes | memoryview = payload.file_order(mask)
    packing = ["CompressedData = False"]
    if compress is not False:
        voxels = payload.deflate([voxels], gzip=False)
        packing = ["CompressedData = True", f"CompressedDataSize = {len(voxels)}"]
    lines = [
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        *packing,
        "TransformMatrix = " + _numbers((affine[:3, :3] / sides).T.ravel()),
        "Offset = " + _numbers(affine[:3, 3]),
        "CenterOfRotation = 0 0 0",
        "ElementSpacing = " + _numbers(sides),
        "DimSize = " + " ".join(map(str, header.shape)),
        f"ElementType = {_WRITTEN[mask.dtype.name]}",
        "ElementDataFile = LOCAL",
    ]
    return b"".join(["\n".join(lines).encode("ascii"), b"\n", voxels])


def _numbers(values: npt.NDArray[np.float64]) -> str:
    # Adding zero turns -0.0 into 0.0.
    return " ".join(repr(float(value) + 0.0) for value in values)


def _says_yes(text: str) -> bool:
    return text[:1] in ("T", "t", "1")


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the header's fields and where it ends: after the line of `ElementDataFile`."""
    start = payload.read_start(path, _LONGEST_HEADER)
    fields: dict[str, str] = {}
    at = 0
    while at < len(start):
        end = start.find(b"\n", at)
        line = start[at : end if end >= 0 else len(start)]
        name, equals, value = line.partition(b"=")
        if not equals or not name.strip().isalnum():
            break
        key = name.strip().decode("ascii")
        fields[key] = value.strip().decode("utf-8")
        at = end + 1 if end >= 0 else len(start)
        if key == "ElementDataFile":
            return fields, at
    if "DimSize" not in fields:
        raise UnreadableImage(
            f"{path.name} is not MetaImage: it does not start with its fields{looks_like(start)}."
        )
    raise UnreadableImage(
        f"{path.name}: its MetaImage header ends without ElementDataFile, so there are no pixels."
    )


def _stored_type(path: Path, fields: dict[str, str]) -> np.dtype[Any]:
    if fields.get("ObjectType", "Image") != "Image":
        raise UnsupportedFormat(f"{path.name} holds {fields['ObjectType']!r}, not an image.")
    if not _says_yes(fields.get("BinaryData", "True")):
        raise UnsupportedFormat(f"{path.name}: pixels written as text are not read; save binary.")
    name = fields.get("ElementType", "").removesuffix("_ARRAY")
    if name not in _TYPES:
        raise UnsupportedFormat(
            f"{path.name}: MetaImage type {name!r} is not read; use one of {', '.join(_TYPES)}."
        )
    big = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False"))
    return np.dtype(_TYPES[name]).newbyteorder(">" if _says_yes(big) else "<")


def _geometry(path: Path, fields: dict[str, str]) -> tuple[tuple[int, ...], Affine]:
    count = int(fields.get("NDims", "0"))
    lengths = [int(length) for length in fields.get("DimSize", "").split()]
    if count < 1 or len(lengths) != count or min(lengths) < 1:
        raise UnreadableImage(
            f"{path.name}: its header says {count} axes and sizes {lengths}; every axis needs one "
            "positive size."
        )
    if count not in (2, 3):
        raise UnsupportedFormat(
            f"{path.name} has {count} axes; two or three are read, with channels as "
            "ElementNumberOfChannels."
        )
    spacing = _floats(path, fields, ("ElementSpacing", "ElementSize"), np.ones(count))
    turn = _floats(
        path, fields, ("TransformMatrix", "Orientation", "Rotation"), np.eye(count).ravel()
    )
    offset = _floats(path, fields, ("Offset", "Position", "Origin"), np.zeros(count))
    directions, origin = np.zeros((3, 3)), np.zeros(3)
    directions[:count, :count] = turn.reshape(count, count).T * spacing
    origin[:count] = offset
    shape = (*lengths, *(1,) * (3 - count))
    affine = lps_to_ras(affine_of(directions, origin))
    return shape, checked_affine(affine, shape, path.name)


def _floats(
    path: Path, fields: dict[str, str], names: tuple[str, ...], default: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the numbers of the first of several names that is there."""
    for name in names:
        if name in fields:
            values = np.array([float(part) for part in fields[name].split()])
            if values.shape != default.shape:
                raise UnreadableImage(
                    f"{path.name}: its header says {name} = {fields[name]!r}, which should be "
                    f"{default.size} numbers."
                )
            return values
    return default


def _where(path: Path, fields: dict[str, str], end: int, is_packed: bool) -> tuple[Path, int]:
    """Say which file holds the pixels, and from which byte on."""
    named = fields["ElementDataFile"]
    skip = int(fields.get("HeaderSize", "0"))
    if skip < -1 or (skip == -1 and is_packed):
        raise UnreadableImage(f"{path.name}: its header says HeaderSize = {skip}.")
    if named.upper() == "LOCAL":
        return path, -1 if skip == -1 else end
    if named.upper().startswith("LIST") or "%" in named:
        raise UnsupportedFormat(
            f"{path.name}: pixels in several files are not read; save one .mha."
        )
    if named != Path(named).name or "\\" in named or named in ("", ".", ".."):
        raise UnsupportedFormat(
            f"{path.name}: its pixels are in {named!r}; they are read from the same folder only."
        )
    beside = path.parent / named
    if beside.is_symlink() and beside.resolve().parent != path.parent.resolve():
        raise UnsupportedFormat(
            f"{path.name}: its pixels are in {named!r}, a link that leads to another folder; they "
            "are read from the same folder only."
        )
    return beside, skip
