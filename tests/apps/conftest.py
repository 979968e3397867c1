"""What the tests of every app may use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from limner.plugin import Progress


@dataclass
class RecordingWatch:
    """Remembers what was reported, and says stop once a step has been reached."""

    stop_at: int | None = None
    seen: list[Progress] = field(default_factory=list)

    def progress(self, progress: Progress) -> None:
        self.seen.append(progress)

    def should_stop(self) -> bool:
        last = self.seen[-1].step if self.seen else 0
        return self.stop_at is not None and last >= self.stop_at


@pytest.fixture
def watch() -> RecordingWatch:
    return RecordingWatch()


@pytest.fixture
def stop_at() -> Callable[[int], RecordingWatch]:
    return lambda step: RecordingWatch(stop_at=step)
