"""Storing what was said of some images while a model looks at the next ones."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Storing:
    """One piece of work at a time, on a thread of its own: a disk waits while a model computes."""

    def __init__(self) -> None:
        """Begin idle; `settle` and `close` before it is let go."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="limner-store")
        self._last: Future[None] | None = None

    def begin(self, work: Callable[[], None]) -> None:
        """Do work once what was begun before is done.

        Raises:
            Exception: Whatever the work before raised; the new one is done all the same.
        """
        try:
            self.settle()
        finally:
            self._last = self._pool.submit(work)

    def settle(self) -> None:
        """Wait until all is done, and raise what the last work raised."""
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def close(self) -> None:
        """Settle, and end the thread."""
        try:
            self.settle()
        finally:
            self._pool.shutdown()
