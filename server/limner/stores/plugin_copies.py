"""Copies of the code of registered plugins: what was checked is what runs, and nothing else.

A copy lies at `ROOT/<digest>/<name of the file or folder>` and is never changed. It is made aside,
synced, and renamed once the plugin was accepted.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from limner.errors import PluginFailed
from limner.registry import code_chunks, digest_of_path
from limner.stores.durable import full_disk_said, make_folder, sync_folder

log = logging.getLogger(__name__)

_DIGEST = re.compile(r"[0-9a-f]{64}")
_ASIDE = ".incoming"


class PluginCopies:
    """A folder of copies. Every method but `sweep` may be called from any thread."""

    def __init__(self, root: Path) -> None:
        """Use a folder, which is made with the first copy."""
        self._root = root.absolute()
        self._aside = self._root / _ASIDE
        self._lock = threading.Lock()

    @contextmanager
    def aside(self, place: Path) -> Iterator[Path]:
        """Copy a plugin file or package folder aside; removed at the end unless it was kept.

        Args:
            place: Free of symbolic links.

        Yields:
            The copy, synced, under the same file name.

        Raises:
            PluginFailed: It holds too much, cannot be read, or links to something outside.
            StorageFull: The disk is full.
        """
        folder = self._aside / uuid.uuid4().hex
        copy = folder / place.name
        try:
            with full_disk_said(self._root):
                folder.mkdir(parents=True)
                _copy(place, copy)
            yield copy
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, copy: Path, digest: str) -> Path:
        """Give a copy that lies aside its place, and return that.

        Raises:
            StorageFull: The disk is full.
        """
        place = self._place(digest, copy.name)
        # Two files of one name and content may be registered at the same time.
        with self._lock, full_disk_said(self._root):
            if self.find(digest, copy.name) is None:
                if place.exists():
                    os.rename(place, copy.with_name(f"{copy.name}.damaged"))
                make_folder(place.parent, self._root.parent)
                os.rename(copy, place)
                sync_folder(place.parent)
        return place

    def find(self, digest: str, name: str) -> Path | None:
        """Return where a copy lies; None where it is gone or no longer what it was."""
        place = self._place(digest, name)
        try:
            is_whole = place.exists() and digest_of_path(place) == digest
        except PluginFailed:
            is_whole = False
        return place if is_whole else None

    def sweep(self, needed: Iterable[tuple[str, str]]) -> None:
        """Remove what a crash left half-made and what is not needed. Once, before workers start.

        Args:
            needed: Digest and name of the copies that stay.
        """
        if not self._root.is_dir():
            return
        shutil.rmtree(self._aside, ignore_errors=True)
        stays = {self._place(digest, name) for digest, name in needed}
        # Somebody may keep files of theirs here, too.
        for folder in [each for each in self._root.iterdir() if _DIGEST.fullmatch(each.name)]:
            if not any(each.parent == folder for each in stays):
                log.info("removed a copy of plugin code that nothing needs any more: %s", folder)
                shutil.rmtree(folder, ignore_errors=True)

    def _place(self, digest: str, name: str) -> Path:
        return self._root / digest / name


def _copy(place: Path, copy: Path) -> None:
    """Copy code file by file, and sync it with the names of all folders."""
    is_folder = place.is_dir()
    folders: set[Path] = set()
    for name, file, content in code_chunks(place):
        to = copy / name if is_folder else copy
        to.parent.mkdir(parents=True, exist_ok=True)
        folders.update(each for each in to.parents if each.is_relative_to(copy.parent))
        if file.is_dir():
            to.symlink_to(os.fsdecode(b"".join(content)))
            continue
        with to.open("xb") as written:
            for chunk in content:
                written.write(chunk)
            written.flush()
            os.fsync(written.fileno())
        if os.access(file, os.X_OK):
            to.chmod(0o755)
    for folder in folders:
        sync_folder(folder)
