"""Bodies of requests that are too large for memory: kept on the disk of the server's home.

The web server's own buffers use the system's temporary folder, which is often small, often memory,
and not the disk that anybody watches for this server. And when that is full, they end a connection
without a word. Here the rest of such a body is taken and thrown away, so that whoever sends it gets
to read the answer that says why.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from waitress.buffers import OverflowableBuffer, TempfileBasedBuffer

from limner.stores.durable import FULL

FOLDER = "incoming"
"""Where bodies lie while they are received, in the home. Their files have no name where the system
can do that, and lose it at once elsewhere: a crash leaves nothing there."""

Spool = Callable[[], IO[bytes]]
"""Opens a file that is gone once it is closed."""


def spool_in(home: Path) -> Spool:
    """Return what opens passing files in a server's home."""
    folder = home / FOLDER

    def opened() -> IO[bytes]:
        folder.mkdir(parents=True, exist_ok=True)
        return TemporaryFile("w+b", dir=folder)

    return opened


class SpooledBody(OverflowableBuffer):  # type: ignore[misc]  # waitress has no types
    """A body in memory up to a size, then in a file of the spool.

    When that cannot be written, `failure` says why, and what still comes counts but is not kept.
    """

    buf: Any

    def __init__(self, overflow: int, spool: Spool) -> None:
        super().__init__(overflow)
        self.failure: OSError | None = None
        self._spool = spool
        self._thrown_away = 0

    def __len__(self) -> int:
        return self._thrown_away if self.failure else int(super().__len__())

    def append(self, data: bytes) -> None:
        """Take the next piece."""
        if self.failure is None:
            before = len(self)
            try:
                super().append(data)
                return
            except OSError as error:
                self._thrown_away = before
                self.failure = error
                self.close()
        self._thrown_away += len(data)

    def close(self) -> None:
        """Let the file go, also one whose last bytes cannot be written any more."""
        with suppress(OSError):
            super().close()

    def _set_large_buffer(self) -> None:
        small = self.buf
        self.buf = _SpooledFile(self._spool, small)
        if small is not None:
            small.close()
        self.overflowed = True


class _SpooledFile(TempfileBasedBuffer):  # type: ignore[misc]  # waitress has no types
    def __init__(self, spool: Spool, before: Any) -> None:
        self._spool = spool
        super().__init__(before)

    def newfile(self) -> IO[bytes]:
        return self._spool()


def is_full(error: OSError) -> bool:
    """Tell whether an error means that there is no room."""
    return error.errno in FULL


def why_not_kept(error: OSError) -> str:
    """Say why a body could not be kept."""
    if is_full(error):
        return (
            "The disk that holds the server's home is full, so this request could not be received; "
            "nothing was recorded. Make room and try again."
        )
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    return f"This request could not be written to the server's home: {reason}."
