"""The home of a server: one folder, one server at a time."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from limner.errors import Conflict, SettingsError

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
        self.note(url=None)
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
        """Write down who holds the home and where it listens, for others to read."""
        if self._file is None:
            raise RuntimeError("The home is not held; use `with`.")
        text = json.dumps({"pid": os.getpid(), "url": url}).encode()
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text, 0)

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


def _taken(home: Path) -> str:
    pid, url = holder(home)
    who = f"process {pid}" if pid else "another process"
    where = f" at {url}" if url else ""
    return (
        f"The home {home} is in use by a Limner server ({who}{where}). Stop it, use it, or choose "
        "another folder with --home. To serve several folders from one server, list them in a "
        "settings file (--config)."
    )
