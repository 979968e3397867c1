"""Files that are there whole or not at all: written aside, synced, then given their name."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from limner.errors import StorageFull

_CHUNK = 1 << 20
FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
"""Errors that mean that there is no room: on the disk, for this user, or for one file."""


@contextmanager
def full_disk_said(folder: Path) -> Iterator[None]:
    """Turn the errors of a full disk into `StorageFull`; others pass.

    Raises:
        StorageFull: The disk, or what this user may use of it, is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull(
                f"The disk that holds {folder} is full; nothing was recorded. Make room and try "
                "again."
            ) from error
        raise


@contextmanager
def written_aside(
    folder: Path, chunks: Iterator[bytes], seen: Callable[[bytes], None]
) -> Iterator[Path]:
    """Write chunks to a file of a passing name, synced; removed at the end if it still has it.

    Args:
        folder: On the file system where the file will stay; made if absent.
        chunks: The content.
        seen: Called with each chunk before it is written; may raise to refuse the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.part"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
    try:
        try:
            for chunk in chunks:
                seen(chunk)
                _write_all(file, chunk)
            os.fsync(file)
        finally:
            os.close(file)
        yield path
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)


def _write_all(file: int, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(file, left) :]


def chunks_of(stream: BinaryIO) -> Iterator[bytes]:
    """Read a stream to its end."""
    while chunk := stream.read(_CHUNK):
        yield chunk


def sync_file(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    if os.name == "nt":  # a folder cannot be opened there, and its names are journalled
        return
    sync_file(path)


def make_folder(path: Path, root: Path) -> None:
    """Make a folder below a root, and wait until its name is on the disk where it is new."""
    if path.is_dir():
        return
    path.mkdir(parents=True, exist_ok=True)
    while path != root:
        path = path.parent
        sync_folder(path)
