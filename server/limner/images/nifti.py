"""NIfTI-1 and NIfTI-2 in one file, plain or gzipped, by nibabel's header classes.

The header is read from the first bytes alone, many times faster than opening the image. Axes are
(i, j, k) as stored; further axes become channels when only one of them is longer than one. Values
are scaled by `scl_slope` and `scl_inter` to float32 where those say anything.

Standard: Cox et al., "A (sort of) new image data format standard: NIfTI-1", 2004.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.errors import UnreadableImage, UnsupportedFormat
from limner.images import payload
from limner.images.faults import truncated
from limner.images.geometry import checked_affine
from limner.images.header import Header, Layout
from limner.images.magic import looks_like
from limner.images.nifti_orientation import header_bytes, orientation_of, scaled_to_mm
from limner.images.number_types import NUMBER_TYPES
from limner.settings import Limits

_SIZES = {348: 1, 540: 2}
_MAGIC = {1: b"n+1\x00", 2: b"n+2\x00\r\n\x1a\n"}
_MAGIC_AT = {1: 344, 2: 4}
_PAIR_MAGIC = (b"ni1\x00", b"ni2\x00")
_LARGEST_OFFSET = 1 << 26
"""Pixels start within 64 MiB: extensions are smaller, a damaged header is not."""

_RGB = {128: 3, 2304: 4}
"""`datatype` of colours, with their bytes."""

_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8",
    1280: "u8",
}  # fmt: skip

MASK_DTYPES = NUMBER_TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class NiftiFile:
    """A NIfTI file whose header has been read."""

    path: Path
    layout: Layout
    is_packed: bool
    stored: np.dtype[Any]
    """Type of the values on disk, with its byte order."""
    samples: int
    """Values for each voxel and channel on disk: 3 or 4 for colours, else 1."""
    offset: int
    scale: tuple[float, float] | None
    """Slope and intercept; None leaves values as they are."""

    @property
    def _end(self) -> int:
        values = self.samples * math.prod(self.layout.shape)
        if self.samples == 1:
            values *= self.layout.channels
        return self.offset + values * self.stored.itemsize

    def check_complete(self, limits: Limits) -> int:
        """See `limner.images.formats.ImageFile`."""
        if self.is_packed:
            payload.check_gzip(self.path, 0, self._end)
        elif (found := self.path.stat().st_size) < self._end:
            raise truncated(self.path, self._end, found)
        return 0

    def pixels(self) -> npt.NDArray[Any]:
        """See `limner.images.formats.ImageFile`."""
        if self.is_packed:
            unpacked = payload.read_deflated(self.path, 0, self._end)
            values = payload.as_values(unpacked, self.stored, self.offset)
        else:
            raw = payload.read_raw(self.path, self.offset, self._end - self.offset)
            values = payload.as_values(raw, self.stored)
        shape, channels = self.layout.shape, self.layout.channels
        if self.samples > 1:
            return values.reshape((self.samples, *shape), order="F")[:channels]
        array = np.moveaxis(values.reshape((*shape, channels), order="F"), -1, 0)
        return array if self.scale is None else _scaled(array, *self.scale)

    def labels(self) -> npt.NDArray[Any]:
        """See `limner.images.formats.ImageFile`."""
        return self.pixels()


def open_file(path: Path, suffix: str) -> NiftiFile:
    """Read the header.

    Raises:
        UnreadableImage: No NIfTI, or a header that makes no sense.
        UnsupportedFormat: A pair of files, or a type or axes that are not read.
    """
    is_packed = suffix == ".nii.gz"
    head = _head(path, is_packed)
    header, version = _parsed(path, head)
    axes = [int(length) for length in header["dim"]]
    shape, channels = _spatial(path, axes)
    stored, samples = _stored_type(path, int(header["datatype"]), header.endianness)
    scale = None if samples > 1 else _scale(header)
    orientation = orientation_of(header, version)
    affine = checked_affine(
        scaled_to_mm(header.get_best_affine(), orientation.units), shape, path.name
    )
    layout = Layout(
        kind="volume",
        shape=shape,
        channels=3 if samples > 1 else channels,
        dtype="float32" if scale else stored.name,
        spacing=_spacing(affine),
        affine=affine,
        nifti=orientation,
    )
    if samples > 1 and channels > 1:
        raise UnsupportedFormat(f"{path.name}: colours over time are not read; save one volume.")
    return NiftiFile(
        path=path,
        layout=layout,
        is_packed=is_packed,
        stored=stored,
        samples=samples,
        offset=_pixel_offset(path, float(header["vox_offset"]), version),
        scale=scale,
    )


def encode(
    mask: npt.NDArray[Any], header: Header, suffix: str, *, compress: bool | None = None
) -> bytes:
    """Write a mask with the image's own qform and sform; the suffix alone says if it is packed."""
    start = header_bytes(header, mask.dtype)
    voxels = payload.file_order(mask)
    if suffix == ".nii.gz":
        return payload.deflate([start, voxels], gzip=True)
    return b"".join([start, voxels])


def _head(path: Path, is_packed: bool) -> bytes:
    """Return the first 540 bytes, unpacked; at least 348."""
    head = payload.read_start(path, 2048)
    if is_packed:
        if not head.startswith(b"\x1f\x8b"):
            raise UnreadableImage(
                f"{path.name} is named .nii.gz but is not gzipped{looks_like(head)}."
            )
        head = payload.unpack_start(head, 540)
        # A long name in the gzip header can push the first block out of the usual bytes.
        if len(head) < 540:
            head = payload.unpack_start(payload.read_start(path, 1 << 17), 540)
    if len(head) < 348:
        if name := looks_like(head):
            raise UnreadableImage(f"{path.name} is not NIfTI{name}.")
        raise truncated(path, 348, len(head))
    return head


@lru_cache(maxsize=1)
def _header_classes() -> dict[int, Any]:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    return {1: Nifti1Header, 2: Nifti2Header}


def _parsed(path: Path, head: bytes) -> tuple[Any, int]:
    for order in ("<", ">"):
        size = int(np.frombuffer(head, dtype=f"{order}i4", count=1)[0])
        version = _SIZES.get(size)
        if version is None or len(head) < size:
            continue
        at = _MAGIC_AT[version]
        if head[at : at + len(_MAGIC[version])] == _MAGIC[version]:
            return _header_classes()[version](head[:size], endianness=order, check=False), version
        if head[at : at + 4] in _PAIR_MAGIC:
            raise UnsupportedFormat(
                f"{path.name} is the header of a NIfTI pair (.hdr and .img); save it as one "
                ".nii.gz file."
            )
    raise UnreadableImage(f"{path.name} is not NIfTI: the magic number is wrong{looks_like(head)}.")


def _spatial(path: Path, axes: list[int]) -> tuple[tuple[int, ...], int]:
    """Split the header's `dim` into three spatial lengths and the number of channels."""
    count, lengths = axes[0], axes[1:]
    if not 1 <= count <= 7 or any(length < 1 for length in lengths[:count]):
        raise UnreadableImage(f"{path.name}: its header has impossible axes, dim = {axes}.")
    if count == 1:
        raise UnsupportedFormat(f"{path.name} has one axis only; it is no image.")
    lengths = lengths[:count] + [1] * (3 - count)
    further = [length for length in lengths[3:] if length > 1]
    if len(further) > 1:
        raise UnsupportedFormat(
            f"{path.name} has shape {tuple(lengths)}: more than one axis beside the spatial ones. "
            "Save the channels along the fourth axis alone."
        )
    return tuple(lengths[:3]), further[0] if further else 1


def _stored_type(path: Path, code: int, order: str) -> tuple[np.dtype[Any], int]:
    if code in _RGB:
        return np.dtype(np.uint8), _RGB[code]
    if code not in _TYPES:
        raise UnsupportedFormat(
            f"{path.name}: NIfTI data type {code} is not read. Save it as integers of 8 to 64 "
            "bits, float32 or float64."
        )
    return np.dtype(order + _TYPES[code]), 1


def _scale(header: Any) -> tuple[float, float] | None:
    """Return slope and intercept; a slope of zero or NaN means that none was meant."""
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if not math.isfinite(slope) or slope == 0:
        return None
    inter = inter if math.isfinite(inter) else 0.0
    return None if (slope, inter) == (1.0, 0.0) else (slope, inter)


def _scaled(array: npt.NDArray[Any], slope: float, inter: float) -> npt.NDArray[np.float32]:
    """Scale to float32; wide types pass through float64, block by block, so they lose no more."""
    out = np.empty_like(array, dtype=np.float32)
    step = np.float64 if array.dtype.itemsize > 2 else np.float32
    with np.errstate(over="ignore", invalid="ignore"):  # infinities are refused by name later
        np.multiply(array, slope, out=out, dtype=step, casting="unsafe")
        out += np.float32(inter)
    return out


def _pixel_offset(path: Path, offset: float, version: int) -> int:
    least = {1: 352, 2: 544}[version]
    if offset == 0:
        return least
    if not least - 4 <= offset <= _LARGEST_OFFSET:
        raise UnreadableImage(f"{path.name}: its header puts the pixels at byte {offset:g}.")
    return int(offset)


def _spacing(affine: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Return the sides of a voxel; seven digits, because a 32-bit header holds no more."""
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    return tuple(float(f"{length:.7g}") for length in lengths)
