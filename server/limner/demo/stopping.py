"""Ctrl-C and SIGTERM while the demo works, and while it only waits for them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Waiting:
    """Ends `wait` when a signal has come; before that, a signal interrupts the work itself."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._waits = False

    def told(self, number: int, frame: FrameType | None) -> None:
        """Take a signal, as a handler does.

        Raises:
            KeyboardInterrupt: Nobody waits for it.
        """
        self._event.set()
        if not self._waits:
            raise KeyboardInterrupt

    def wait(self) -> None:
        """Return when a signal has come, now or before."""
        self._waits = True
        self._event.wait()


@contextmanager
def stop_on_signals() -> Iterator[Waiting]:
    """Handle both signals within a block, and leave them as they were afterwards."""
    waiting = Waiting()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {
        each: signal.signal(each, waiting.told) for each in numbers
    }
    try:
        yield waiting
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
