"""Which changed files can be told of already: those that have kept still for a moment.

A big file is written in many pieces, and the system tells of each. A file is told of once its size
and time are the same at two looks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

Signature: TypeAlias = tuple[int, int] | None
"""Size in bytes and time of change in nanoseconds; None for a file that is gone."""

MOST_PATHS = 2048
"""With more changes than these, looking at all is cheaper, and the system may have dropped some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What can be told now."""

    paths: frozenset[str] = frozenset()
    everything: bool = False
    """All has to be looked at; `paths` is empty then."""


class Changes:
    """Changes that were noticed and not told yet. Noting may happen on any thread."""

    def __init__(self, signature: Callable[[str], Signature], *, patience_s: float = 5.0) -> None:
        """Start without changes.

        Args:
            signature: Looks at a file.
            patience_s: How long looking at all may be put off while changes keep coming.
        """
        self._signature = signature
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._seen: dict[str, Signature] = {}
        self._fresh: set[str] = set()
        self._everything_since: float | None = None
        self._is_noisy = False

    @property
    def is_waiting(self) -> bool:
        """Whether anything is still to be told."""
        with self._lock:
            return bool(self._seen or self._fresh) or self._everything_since is not None

    def note(self, path: str) -> None:
        """Remember that a file changed, appeared or vanished."""
        with self._lock:
            self._is_noisy = True
            # Also where it was seen before: a change during a look must not be lost.
            self._fresh.add(path)

    def note_everything(self, now: float) -> None:
        """Remember that all has to be looked at; `now` is in seconds of the caller's clock."""
        with self._lock:
            self._is_noisy = True
            if self._everything_since is None:
                self._everything_since = now

    def ready(self, now: float) -> Ready:
        """Look at what changed and return what has kept still since the last look."""
        with self._lock:
            was_noisy, self._is_noisy = self._is_noisy, False
            fresh, self._fresh = self._fresh, set()
            before = dict(self._seen)
            if len(fresh | before.keys()) > MOST_PATHS and self._everything_since is None:
                self._everything_since = now
            everything_since = self._everything_since
        looked = {path: self._signature(path) for path in {*before, *fresh}}
        still = frozenset(path for path in before if looked[path] == before[path])
        with self._lock:
            self._seen = {path: seen for path, seen in looked.items() if path not in still}
            if everything_since is None:
                return Ready(paths=still)
            if was_noisy and now - everything_since < self._patience_s:
                # What kept still is part of all; what has not is told again later.
                return Ready()
            self._everything_since = None
            return Ready(everything=True)
