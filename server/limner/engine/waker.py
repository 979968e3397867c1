"""Wakes a thread that waits on descriptors."""

from __future__ import annotations

import socket
from contextlib import suppress


class Waker:
    """A descriptor that becomes readable when any thread calls `wake`."""

    def __init__(self) -> None:
        self._ear, self._hand = socket.socketpair()
        self._ear.setblocking(False)
        self._hand.setblocking(False)

    def fileno(self) -> int:
        """Descriptor to wait on."""
        return self._ear.fileno()

    def wake(self) -> None:
        """Wake the waiting thread, now or at its next wait. Harmless after `close`."""
        with suppress(OSError):  # full: it is awake already
            self._hand.send(b"!")

    def drain(self) -> None:
        """Forget all wakings so far."""
        with suppress(BlockingIOError):
            while self._ear.recv(4096):
                pass

    def close(self) -> None:
        """Give the descriptors back."""
        self._ear.close()
        self._hand.close()
