"""Content-addressed files: labels, predictions and weights, each stored once under its SHA-256.

Nothing is ever overwritten: the name says the content. A file is written under a passing name on
the same file system, synced, renamed, and its folder synced, so a crash leaves either the whole
file or none that counts.
"""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from limner.errors import NotFound
from limner.stores.durable import (
    chunks_of,
    full_disk_said,
    make_folder,
    sync_file,
    sync_folder,
    written_aside,
)

logger = logging.getLogger(__name__)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_INCOMING = "incoming"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """One stored file."""

    sha256: str
    """64 lower-case hexadecimal digits."""
    size_bytes: int
    path: Path


class Blobs:
    """A folder of files named by their content. Every method may be called from any thread.

    A file lies at `ROOT/ab/cdef…`, so that no folder grows beyond what file systems like.
    """

    def __init__(self, root: Path) -> None:
        """Use a folder, which is made when the first file is stored."""
        self._root = root.absolute()
        self._incoming = self._root / _INCOMING
        # Held while files are written, so that a sweep takes none of this process's.
        self._writing = 0
        self._writing_lock = threading.Lock()

    @property
    def incoming(self) -> Path:
        """Folder for files on their way in, on the same file system; swept at start."""
        return self._incoming

    def put_bytes(self, data: bytes) -> Blob:
        """Store bytes.

        Raises:
            StorageFull: The disk is full; nothing was stored.
        """
        return self.put_stream(io.BytesIO(data))

    def put_stream(self, stream: BinaryIO) -> Blob:
        """Store what a stream holds up to its end, in little memory.

        Raises:
            StorageFull: The disk is full; nothing was stored.
        """
        digest = hashlib.sha256()
        self._enter()
        try:
            with (
                full_disk_said(self._root),
                written_aside(self._incoming, chunks_of(stream), digest.update) as path,
            ):
                return self._keep(path, digest.hexdigest())
        finally:
            self._leave()

    def put_file(self, path: Path, *, move: bool = False) -> Blob:
        """Store a file.

        Args:
            path: The file.
            move: Whether the file itself may be taken, which spares a copy on the same file system.
                It is gone from its place afterwards in any case.

        Raises:
            NotFound: There is no such file.
            StorageFull: The disk is full; nothing was stored, and the file is where it was.
        """
        try:
            if move and (blob := self._take(path)):
                return blob
            with open(path, "rb") as file:
                blob = self.put_stream(file)
        except FileNotFoundError:
            raise NotFound(f"There is no file {path} to store.") from None
        if move:
            path.unlink(missing_ok=True)
        return blob

    def path(self, sha256: str) -> Path:
        """Return where a file lies.

        Raises:
            NotFound: It is not stored.
        """
        path = self._place(sha256)
        if not path.is_file():
            raise NotFound(f"There is no stored file {sha256}.")
        return path

    def remove(self, sha256: str) -> None:
        """Forget a file; nothing happens when it is not stored.

        Raises:
            NotFound: The text is no SHA-256.
        """
        self._place(sha256).unlink(missing_ok=True)

    def sweep_temporary(self) -> int:
        """Remove what a crash left half-written; call it at start, when nothing else writes.

        Returns:
            How many files were removed.
        """
        with self._writing_lock:
            if self._writing or not self._incoming.is_dir():
                return 0
            removed = 0
            for path in self._incoming.iterdir():
                with suppress(FileNotFoundError):
                    path.unlink()
                    removed += 1
        if removed:
            logger.info("removed %d half-written files", removed)
        return removed

    def _place(self, sha256: str) -> Path:
        if not _SHA256.fullmatch(sha256):
            raise NotFound(f"{sha256!r} names no stored file: it is no SHA-256.")
        return self._root / sha256[:2] / sha256[2:]

    def _keep(self, path: Path, sha256: str) -> Blob:
        """Give a synced file its name, unless the same content is there already."""
        size = path.stat().st_size
        place = self._place(sha256)
        make_folder(place.parent, self._root)
        # A file of the right name and another size was torn by the file system: it is replaced.
        if not place.is_file() or place.stat().st_size != size:
            os.replace(path, place)
        # Also when it was there: another thread may have renamed it and not synced it yet.
        sync_folder(place.parent)
        return Blob(sha256=sha256, size_bytes=size, path=place)

    def _take(self, path: Path) -> Blob | None:
        """Rename a file into its place; None where that cannot be done."""
        if path.is_symlink():
            return None
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            for chunk in chunks_of(file):
                digest.update(chunk)
        try:
            with full_disk_said(self._root):
                sync_file(path)
                blob = self._keep(path, digest.hexdigest())
        except OSError as error:
            if error.errno == errno.EXDEV:  # another file system
                return None
            raise
        path.unlink(missing_ok=True)
        return blob

    def _enter(self) -> None:
        with self._writing_lock:
            self._writing += 1

    def _leave(self) -> None:
        with self._writing_lock:
            self._writing -= 1
