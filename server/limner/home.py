"""The home of a server: one folder, one server at a time."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from limner.errors import Conflict, SettingsError, StorageFull

LOCK = "limner.lock"
"""File that a running server holds locked; it says which process that is and where it listens."""


class HomeInUse(Conflict):
    """Another server holds the home."""


class HomeLock:
    """Holds a home for this process until it ends, however it ends.

    The kernel lets go of the lock (`flock`) when the process dies, so a crash leaves nothing to
    tidy up. Workers do not inherit it.
    """

    def __init__(self, home: Path) -> None:
        """Name the home; `with` takes it."""
        self.home = home
        self._file: int | None = None

    def __enter__(self) -> HomeLock:
        """Make the folder where there is none, and take it.

        Raises:
            SettingsError: The folder cannot be made or written.
            HomeInUse: Another server has it.
            StorageFull: The disk is full.
        """
        path = self.home / LOCK
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise SettingsError(
                f"The home {self.home} cannot be written: {error.strerror}. Choose another folder "
                "with --home."
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._close()
            raise HomeInUse(_taken(self.home)) from error
        try:
            self.note(url=None)
        except StorageFull:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            os.ftruncate(self._file, 0)
        self._close()

    def note(self, *, url: str | None) -> None:
        """Write down who holds the home and where it listens, for others to read.

        Raises:
            StorageFull: There is no room even for that.
        """
        if self._file is None:
            raise RuntimeError("The home is not held; use `with`.")
        text = json.dumps({"pid": os.getpid(), "url": url}).encode()
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, text, 0)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise StorageFull(
                f"The disk that holds the home {self.home} is full. Make room, or choose another "
                "folder with --home."
            ) from error

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def holder(home: Path) -> tuple[int | None, str | None]:
    """Read which process holds a home and where it listens; None for what is not known."""
    try:
        found: Any = json.loads((home / LOCK).read_text())
        return int(found["pid"]), found.get("url")
    except (OSError, ValueError, KeyError, TypeError):
        return None, None


def check_database(home: Path, name: str) -> None:
    """Refuse a home whose database is gone while its files are there.

    A new, empty database would look as if every label had been lost, and go on from nothing.

    Args:
        home: The home.
        name: File name of the database in it.

    Raises:
        SettingsError: Labels or models are stored there, and there is no database that knows them.
    """
    path = home / name
    if path.is_file() and path.stat().st_size:
        return
    if any((home / "blobs").glob("[0-9a-f][0-9a-f]/*")):
        what = "empty" if path.is_file() else "gone"
        raise SettingsError(
            f"The home {home} holds labels or models, but its database {name} is {what}. Put back "
            "a copy of it, or choose another folder with --home to begin anew."
        )


def _taken(home: Path) -> str:
    pid, url = holder(home)
    who = f"process {pid}" if pid else "another process"
    where = f" at {url}" if url else ""
    return (
        f"The home {home} is in use by a Limner server ({who}{where}). Stop it, use it, or choose "
        "another folder with --home. To serve several folders from one server, list them in a "
        "settings file (--config)."
    )
