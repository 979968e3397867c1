"""A worker's side of a watch: progress out, at most ten a second, and the word to stop in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from limner.engine.numbers import finite_only, whole
from limner.plugin import Progress

EVERY_S = 0.1


class Reporter:
    """The watch that plugins get. Cheap enough to call at every step, from any thread."""

    def __init__(
        self,
        send: Callable[[Progress], None],
        is_stopped: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Report to nobody yet.

        Args:
            send: Takes what goes out.
            is_stopped: Whether the work was told to end.
            clock: Seconds that only rise.
        """
        self._send = send
        self._is_stopped = is_stopped
        self._clock = clock
        self._lock = threading.Lock()
        self._sent = float("-inf")
        self._held_back: Progress | None = None

    def progress(self, progress: Progress) -> None:
        """Send a report, or hold it back when the last one is fresh; see `limner.plugin.Watch`."""
        plain = Progress(
            step=whole("step", progress.step),
            total=whole("total", progress.total),
            losses=finite_only(progress.losses),
            message=str(progress.message),
        )
        with self._lock:
            now = self._clock()
            if now - self._sent < EVERY_S:
                self._held_back = plain
                return
            self._sent, self._held_back = now, None
            self._send(plain)

    def should_stop(self) -> bool:
        """Tell whether to end now; see `limner.plugin.Watch`."""
        return self._is_stopped()

    def flush(self) -> None:
        """Send what was held back: the last report always arrives."""
        with self._lock:
            if self._held_back is not None:
                self._send(self._held_back)
                self._held_back = None
