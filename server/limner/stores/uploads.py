"""Taking in an uploaded image: checked, synced, and given its name without overwriting another."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from limner.errors import Conflict, ImageTooLarge, InvalidRequest, UnsupportedFormat
from limner.images import IMAGE_SUFFIXES, LATEST_NS, image_suffix, read_header
from limner.settings import Limits
from limner.stores.durable import chunks_of, full_disk_said, sync_folder, written_aside
from limner.stores.entries import Entry

_INCOMING = ".limner-incoming"
"""Hidden, so no scan sees a half-written file; in the store, so a rename suffices."""

_LONGEST_NAME = 255
_STALE_S = 24 * 3600
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)


def take_in(root: Path, filename: str, stream: BinaryIO, limits: Limits) -> Entry:
    """Store an upload at the top of a folder; see `FolderStore.add`."""
    name, suffix = _checked_name(filename)
    stem = name[: -len(suffix)]
    _refuse_taken(root, stem)
    incoming = root / _INCOMING
    try:
        _sweep(incoming)
        with (
            full_disk_said(root),
            written_aside(incoming, chunks_of(stream), _at_most(limits, name)) as path,
        ):
            read_header(path, limits, suffix=suffix)
            _publish(path, root / name)
            sync_folder(root)
        status = os.stat(root / name)
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:
            raise
        raise Conflict(
            f"The folder of images cannot be written ({error.strerror}); put the file there by "
            "hand, or give the server the right to write."
        ) from error
    return Entry(
        name=stem,
        files=(name,),
        size_bytes=status.st_size,
        modified_ns=min(status.st_mtime_ns, LATEST_NS),
    )


def _checked_name(filename: str) -> tuple[str, str]:
    """Return a file name that is safe to use, and its suffix."""
    is_path = any(mark in filename for mark in "/\\") or filename.startswith(".")
    is_strange = not filename.isprintable() or filename != filename.strip()
    if not filename or is_path or is_strange or len(os.fsencode(filename)) > _LONGEST_NAME:
        raise InvalidRequest(
            f"File name {filename[:300]!r} cannot be used: give a plain name without slashes, "
            f"leading dots, outer spaces or control characters, of at most {_LONGEST_NAME} bytes."
        )
    suffix = image_suffix(filename)
    if suffix is None or suffix == ".mhd":
        others = ", ".join(each for each in IMAGE_SUFFIXES if each != ".mhd")
        reason = "has its pixels in another file" if suffix else "is no image that is read"
        raise UnsupportedFormat(f"{filename!r} {reason}; send one of {others}.")
    return filename, suffix


def _refuse_taken(root: Path, stem: str) -> None:
    for suffix in IMAGE_SUFFIXES:
        if os.path.lexists(root / (stem + suffix)):
            raise Conflict(
                f"There is an image {stem + suffix!r} already; send this one under another name."
            )


def _at_most(limits: Limits, name: str) -> Callable[[bytes], None]:
    count = 0

    def seen(chunk: bytes) -> None:
        nonlocal count
        count += len(chunk)
        if count > limits.max_file_bytes:
            raise ImageTooLarge(
                f"{name} has more than the {limits.max_file_bytes:,} bytes of max_file_bytes in "
                "the limits."
            )

    return seen


def _publish(path: Path, place: Path) -> None:
    """Give a file its name, unless another has it."""
    try:
        try:
            os.link(path, place)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # No hard links here: hold the name with an empty file, then put the real one there.
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
            os.replace(path, place)
    except FileExistsError:
        raise Conflict(
            f"There is an image {place.name!r} already; send this one under another name."
        ) from None


def _sweep(incoming: Path) -> None:
    """Remove what crashes left long ago."""
    if not incoming.is_dir():
        return
    for path in incoming.iterdir():
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - _STALE_S:
                path.unlink()
