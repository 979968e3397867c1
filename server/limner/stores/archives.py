"""Archives that strangers send, zip and tar: read file by file, in little memory, once.

Nothing is ever extracted to a path that an archive names, and only plain files count: a link could
lead anywhere. What an archive claims of itself is bounded before it is believed, for a few
kilobytes may claim terabytes. Of packed formats those are read that need little memory: tar files
packed with gzip or bzip2, and zip files with deflate.
"""

from __future__ import annotations

import bz2
import gzip
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO, Protocol, TypeAlias

from limner.errors import InvalidRequest, PayloadTooLarge

MOST_ENTRIES = 20_000
"""Most entries of an archive, folders included."""

File: TypeAlias = tuple[str, BinaryIO]
"""A plain name and its content, to be read before the next one is asked for."""

_AT_ONCE = 1 << 20
_LONGEST_NAME = 255
# Python unpacks the other ways of a zip file without a bound.
_UNPACKED_BY = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_MOST_DIRECTORY = 64 << 20
_END, _END64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sLQL")
_FAULTS = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, struct.error, EOFError, RuntimeError,
    ValueError, OverflowError,
)  # fmt: skip


def unpacked(name: str, stream: BinaryIO, most_bytes: int) -> Iterator[File]:
    """Yield the files of an archive by their own names, without their folders.

    Args:
        name: The archive's, for messages.
        stream: It; can be sought.
        most_bytes: How far a packed tar is read. Whoever reads the files bounds what they hold.

    Raises:
        InvalidRequest: It is no archive, damaged, has too many entries, or a name that cannot be
            used.
        PayloadTooLarge: It holds more than `most_bytes`.
    """
    with damage_told(name):
        stream.seek(0)
        magic = stream.read(4)
        stream.seek(0)
        if magic.startswith(b"PK"):
            yield from _of_zip(name, stream)
        elif magic.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=stream) as unzipped:
                yield from _of_tar(name, _Forwards(unzipped, most_bytes))
        elif magic.startswith(b"BZh"):
            with bz2.BZ2File(stream) as unzipped:
                yield from _of_tar(name, _Forwards(unzipped, most_bytes))
        else:
            yield from _of_tar(name, _Forwards(stream, most_bytes))


@contextmanager
def damage_told(name: str) -> Iterator[None]:
    """Turn what a damaged archive raises into words; also while a file of it is read.

    Raises:
        InvalidRequest: It is damaged, or in a way of packing that is not read.
    """
    try:
        yield
    except (*_FAULTS, OSError) as error:
        # The system's own errors have a number; those that say what is wrong with data have none.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InvalidRequest(
            f"{name[:200]!r} cannot be unpacked: {error}. Send a zip or tar file; .tar.gz and "
            ".tar.bz2 are read, too."
        ) from error


def plain_name(path: str) -> str:
    """Return the last part of a path from any system, where a file can be called so.

    Raises:
        InvalidRequest: It is empty, hidden, too long, or has characters that cannot be shown.
    """
    name = PurePosixPath(path.replace("\\", "/")).name
    is_usable = name.isprintable() and not name.startswith(".")
    if not name or not is_usable or len(name.encode()) > _LONGEST_NAME:
        raise InvalidRequest(
            f"There is a file {path[:200]!r}, whose name cannot be used; rename it."
        )
    return name


def _of_zip(name: str, stream: BinaryIO) -> Iterator[File]:
    _check_directory(stream)
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
        _check_count(name, len(entries))
        for each in entries:
            if each.is_dir():
                continue
            if each.compress_type not in _UNPACKED_BY:
                raise zipfile.BadZipFile(f"{each.filename[:200]!r} is packed in another way")
            with archive.open(each) as member:
                yield plain_name(each.filename), member  # type: ignore[misc]  # IO[bytes] is one


def _of_tar(name: str, stream: _Forwards) -> Iterator[File]:
    with tarfile.TarFile(fileobj=stream) as archive:  # type: ignore[arg-type]  # all it uses
        for number, entry in enumerate(archive):
            _check_count(name, number + 1)
            content = archive.extractfile(entry) if entry.isreg() else None
            if content is not None:
                yield plain_name(entry.name), content  # type: ignore[misc]  # IO[bytes] is one


def _check_count(name: str, count: int) -> None:
    if count > MOST_ENTRIES:
        raise InvalidRequest(f"{name[:200]!r} has more than {MOST_ENTRIES:,} entries.")


def _check_directory(stream: BinaryIO) -> None:
    """Refuse a zip file whose list of entries, which is read as a whole, is too large.

    Standard: APPNOTE.TXT 6.3.10 of PKWARE, 4.3.14 to 4.3.16.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - _END.size - 0xFFFF))
    tail = stream.read()
    place = len(tail) - _END.size
    if place < 0 or tail[place : place + 4] != b"PK\5\6" or tail[-2:] != b"\0\0":
        place = tail.rfind(b"PK\5\6")
    if not 0 <= place <= len(tail) - _END.size:
        raise zipfile.BadZipFile("its list of entries is missing")
    listed = _END.unpack_from(tail, place)[5]
    # Only what is over our limits anyway needs the longer list of ZIP64.
    is_long = tail[max(0, place - _END64.size) :][:4] == b"PK\6\7"
    if listed > _MOST_DIRECTORY or is_long:
        raise zipfile.BadZipFile("its list of entries is too large")


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Forwards:
    """A stream that is read once, forwards; what skips, too, is bounded, and what one read asks.

    Seeking in a packed stream would unpack it from the beginning every time.
    """

    def __init__(self, stream: _Readable, most: int) -> None:
        self._stream = stream
        self._most = most
        self._read = 0
        self._last = b""
        self._wanted = 0

    def tell(self) -> int:
        return self._wanted

    def seek(self, position: int) -> int:
        self._wanted = position
        return position

    def read(self, size: int) -> bytes:
        if size > _AT_ONCE:
            raise tarfile.ReadError(f"it says that a header has {size:,} bytes")
        if self._wanted == self._read - 1 and size == 1:
            self._wanted += 1  # whether a file ends where it should is asked so
            return self._last
        if self._wanted < self._read:
            raise tarfile.StreamError("it has to be read backwards")
        while self._read < self._wanted and self._next(min(_AT_ONCE, self._wanted - self._read)):
            pass
        data = b"" if self._read < self._wanted else self._next(size)
        self._wanted = self._read
        return data

    def _next(self, size: int) -> bytes:
        if self._read + size > self._most:
            raise PayloadTooLarge(
                f"The archive holds more than the {self._most:,} bytes of max_file_bytes in the "
                "limits."
            )
        data = self._stream.read(size)
        self._read += len(data)
        self._last = data[-1:] or self._last
        return data
