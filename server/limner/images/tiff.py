"""TIFF with one picture, by tifffile: grey, RGB, palette or several channels, 8 to 32 bit.

Opacity is dropped, colours are kept; in a mask the indices of a palette are the class values. Pages
that are smaller copies of the first are ignored, other pages refused: which of them is the picture?

Standard: Adobe, TIFF revision 6.0.
"""

from __future__ import annotations

import io
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.errors import UnreadableImage, UnsupportedFormat
from limner.images import payload
from limner.images.faults import truncated
from limner.images.header import Header, Layout
from limner.images.jpeg import frame_size
from limner.images.magic import looks_like
from limner.images.number_types import NUMBER_TYPES
from limner.images.quiet import silence
from limner.settings import Limits

_STARTS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_RGB, _PALETTE, _YCBCR = 2, 3, 6
_GREYS = (0, 1)
_JPEG = 7
_COMPRESSIONS = {1: "none", 5: "LZW", _JPEG: "JPEG", 8: "deflate", 32946: "deflate",
                 32773: "PackBits", 50000: "Zstandard"}  # fmt: skip
"""Those whose decoders are told how much to unpack, so a bomb fails."""
_OPACITY = (1, 2)
_MOST_PAGES = 64
_MOST_TAGS = 4096
_FIRST_PRIVATE_TAG = 32_768

MASK_DTYPES = NUMBER_TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffFile:
    """A TIFF whose first page's tags have been read."""

    path: Path
    layout: Layout
    photometric: int
    compression: int
    stored: tuple[int, ...]
    """Shape as the page gives it: (channels,) rows, columns (, channels)."""
    tile: tuple[int, int]
    """Most rows and columns that one segment holds."""
    segments: tuple[tuple[int, int], ...]
    """Offset and length of each strip or tile."""

    def check_complete(self, limits: Limits) -> int:
        """See `limner.images.formats.ImageFile`."""
        size = self.path.stat().st_size
        end = max((offset + length for offset, length in self.segments), default=0)
        if end > size:
            raise truncated(self.path, end, size)
        if not self.segments or min(min(segment) for segment in self.segments) <= 0:
            raise UnreadableImage(f"{self.path.name}: parts of its pixels are missing.")
        if self.compression == _JPEG:
            self._check_inner_jpegs()
        return 0

    def pixels(self) -> npt.NDArray[Any]:
        """See `limner.images.formats.ImageFile`."""
        array, colours = self._decoded()
        if self.photometric == _PALETTE and colours is not None:
            # A colour map is always 16 bit; nearly all hold 8 bit colours, stretched.
            return np.ascontiguousarray((colours[:, array[0]] >> 8).astype(np.uint8))
        return array

    def labels(self) -> npt.NDArray[Any]:
        """See `limner.images.formats.ImageFile`."""
        if self.compression == _JPEG:
            raise UnsupportedFormat(
                f"{self.path.name} is packed with JPEG, which changes values, so it cannot carry "
                "a mask. Save it with deflate or LZW."
            )
        return self._decoded()[0]

    def _decoded(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
        import tifffile

        with tifffile.TiffFile(self.path) as file:
            page = file.pages.first
            array = np.asarray(page.asarray(maxworkers=1))
            colours = page.colormap if self.photometric == _PALETTE else None
        if array.shape != self.stored:
            raise UnreadableImage(f"{self.path.name}: its pixels do not fill the picture.")
        if array.ndim == 2:
            array = array[np.newaxis]
        elif array.shape[1:] != self.layout.shape:
            array = np.moveaxis(array, -1, 0)
        if array.dtype.kind == "b":
            array = array.astype(np.uint8)
        return array if colours is not None else array[: self.layout.channels], colours

    def _check_inner_jpegs(self) -> None:
        """Refuse segments that are larger inside than their tags say."""
        with open(self.path, "rb") as file:
            for offset, length in self.segments:
                file.seek(offset)
                found = frame_size(file.read(length))
                if found is None or found[2] > self.tile[0] or found[3] > self.tile[1]:
                    raise UnreadableImage(
                        f"{self.path.name} is damaged: a JPEG inside it does not fit its tile."
                    )


def open_file(path: Path, suffix: str) -> TiffFile:
    """Read the tags of the first page.

    Raises:
        UnreadableImage: No TIFF, or tags that make no sense.
        UnsupportedFormat: Several pictures, a depth, or a type, colour model or packing that is
            not read.
    """
    start = payload.read_start(path, 16)
    if start[:4] not in _STARTS:
        raise UnreadableImage(
            f"{path.name} is not TIFF: the magic number is wrong{looks_like(start)}."
        )
    import tifffile

    silence("tifffile", "imagecodecs")
    with tifffile.TiffFile(path) as file:
        _refuse_stack(path, file)
        page = file.pages.first
        _refuse_lost_tags(path, file, page)
        stored = tuple(int(length) for length in page.shape)
        layout = _layout(path, page, stored)
        return TiffFile(
            path=path,
            layout=layout,
            photometric=int(page.photometric),
            compression=int(page.compression),
            stored=stored,
            tile=_segment_size(page),
            segments=tuple(zip(page.dataoffsets, page.databytecounts, strict=True)),
        )


def encode(
    mask: npt.NDArray[Any], header: Header, suffix: str, *, compress: bool | None = None
) -> bytes:
    """Write a mask as deflated grey values, without date or program; always packed."""
    import tifffile

    out = io.BytesIO()
    tifffile.imwrite(
        out,
        np.ascontiguousarray(mask),
        byteorder="<",
        photometric="minisblack",
        compression="zlib",
        compressionargs={"level": payload.LEVEL},
        metadata=None,
        software=False,
    )
    return out.getvalue()


def _segment_size(page: Any) -> tuple[int, int]:
    """Return the most rows and columns that a strip or tile of a page holds."""
    if page.is_tiled:
        return int(page.tilelength), int(page.tilewidth)
    return min(int(page.rowsperstrip), int(page.imagelength)), int(page.imagewidth)


def _refuse_stack(path: Path, file: Any) -> None:
    count = 0
    for number, page in enumerate(file.pages):
        if number >= _MOST_PAGES:
            raise UnsupportedFormat(f"{path.name} has more than {_MOST_PAGES} pages.")
        count += number == 0 or not page.keyframe.is_reduced
    described = (file.imagej_metadata or {}).get("images", 1) if file.is_imagej else 1
    if count > 1 or int(described) > 1:
        raise UnsupportedFormat(
            f"{path.name} holds {max(count, int(described))} pictures; one is read. Save each as "
            "a file of its own, or a stack as NIfTI, NRRD or MetaImage."
        )


def _refuse_lost_tags(path: Path, file: Any, page: Any) -> None:
    """Refuse a page of which tifffile left out standard tags, because they cannot be read.

    It takes defaults in their place: a file cut in its tags would become a picture of one bit.
    """
    form = file.tiff
    handle = file.filehandle
    handle.seek(page.offset)
    (count,) = struct.unpack(form.tagnoformat, handle.read(form.tagnosize))
    found = handle.read(min(count, _MOST_TAGS) * form.tagsize)
    starts = range(0, len(found) - form.tagsize + 1, form.tagsize)
    codes = {struct.unpack_from(f"{form.byteorder}H", found, start)[0] for start in starts}
    lost = sorted(code for code in codes - set(page.tags.keys()) if code < _FIRST_PRIVATE_TAG)
    if lost or count > len(starts):
        raise UnreadableImage(
            f"{path.name} is truncated or damaged: its TIFF tags {lost or ''} cannot be read. Copy "
            "it again from its source."
        )


def _layout(path: Path, page: Any, stored: tuple[int, ...]) -> Layout:
    photometric, compression = int(page.photometric), int(page.compression)
    rows, columns = int(page.imagelength), int(page.imagewidth)
    if compression not in _COMPRESSIONS:
        raise UnsupportedFormat(
            f"{path.name}: TIFF compression {compression} is not read; use one of "
            f"{', '.join(dict.fromkeys(_COMPRESSIONS.values()))}."
        )
    if photometric not in (*_GREYS, _RGB, _PALETTE, _YCBCR):
        raise UnsupportedFormat(
            f"{path.name}: TIFF colour model {photometric} is not read; save it as grey or RGB."
        )
    per_pixel = math.prod(stored) // max(rows * columns, 1)
    fits = stored in ((rows, columns), (rows, columns, per_pixel), (per_pixel, rows, columns))
    dtype = None if page.dtype is None else np.dtype(page.dtype)
    if not fits or rows < 1 or columns < 1 or dtype is None or dtype.kind not in "buif":
        raise UnsupportedFormat(
            f"{path.name}: a TIFF page of shape {stored} and type {dtype} is not read; save it as "
            "grey or RGB of 8 or 16 bit."
        )
    is_colour = photometric in (_RGB, _YCBCR)
    if is_colour and per_pixel < 3:
        raise UnreadableImage(f"{path.name} says it is RGB but has {per_pixel} values a pixel.")
    opacity = sum(int(extra) in _OPACITY for extra in page.extrasamples)
    channels = 3 if is_colour or photometric == _PALETTE else max(per_pixel - opacity, 1)
    if photometric == _PALETTE:
        dtype = np.dtype(np.uint8)
    return Layout(
        kind="picture",
        shape=(rows, columns),
        channels=channels,
        dtype="uint8" if dtype.kind == "b" else dtype.newbyteorder("=").name,
        spacing=(1.0, 1.0),
        affine=None,
    )
