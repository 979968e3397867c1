"""How an arm is watched: what it does now is told, and it is told when to end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from limner.plugin import Progress, Stopped

Tell = Callable[[Mapping[str, Any]], None]

_EVERY_S = 0.5


class ArmWatch:
    """A `limner.plugin.Watch` whose word goes to the process that compares."""

    def __init__(self, tell: Tell, stopping: threading.Event) -> None:
        """Tell nothing yet.

        Args:
            tell: Gets events as plain values.
            stopping: Set when to end.
        """
        self._tell = tell
        self._stopping = stopping
        self._told = 0.0

    def should_stop(self) -> bool:
        """Tell whether to end."""
        return self._stopping.is_set()

    def check(self) -> None:
        """Raise when it is time to end.

        Raises:
            Stopped: It is.
        """
        if self._stopping.is_set():
            raise Stopped("The comparison was told to stop.")

    def wait(self, seconds: float) -> None:
        """Wait a moment, or until it is time to end.

        Raises:
            Stopped: It is.
        """
        self._stopping.wait(seconds)
        self.check()

    def stage(self, what: str, done: int = 0, total: int = 0) -> None:
        """Say what is being done, a few times a second at most."""
        now = time.monotonic()
        if not done or now - self._told >= _EVERY_S:
            self._told = now
            self._tell({"event": "stage", "what": what, "done": done, "total": total})

    def progress(self, progress: Progress) -> None:
        """Say how far a measurement is."""
        self.stage(progress.message or "measuring", progress.step, progress.total)

    def round_done(self, record: Mapping[str, Any]) -> None:
        """Say what a round has brought."""
        test = record["test"]
        self._tell(
            {
                "event": "round",
                "round": record["round"],
                "labels": record["labels"],
                "test": test and {name: test[name] for name in ("measure", "score", "metrics")},
                "seconds": record["seconds"],
            }
        )
