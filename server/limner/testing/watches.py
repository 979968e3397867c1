"""A watch that keeps what it was told, and tells the work to stop when asked to."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from limner.plugin import Progress


class Recorder:
    """Implements `limner.plugin.Watch` for tests."""

    def __init__(self, stop_when: Callable[[Progress], bool] | None = None) -> None:
        """Start to listen.

        Args:
            stop_when: Asked at every report; once it says yes, the work is told to stop.
        """
        self.reports: list[Progress] = []
        self.asked = 0
        self.told_at: float | None = None
        self._stop_when = stop_when

    @classmethod
    def stopping_at_once(cls) -> Recorder:
        """Make one that says stop from the first question on."""
        recorder = cls()
        recorder.told_at = time.monotonic()
        return recorder

    @property
    def seconds_since_told(self) -> float:
        """Seconds since the work was told to stop; 0.0 while it was not."""
        return 0.0 if self.told_at is None else time.monotonic() - self.told_at

    def progress(self, progress: Progress) -> None:
        """Keep a report."""
        self.reports.append(progress)
        if self.told_at is None and self._stop_when is not None and self._stop_when(progress):
            self.told_at = time.monotonic()

    def should_stop(self) -> bool:
        """Tell whether to end now."""
        self.asked += 1
        return self.told_at is not None


def first_step(reports: list[Progress]) -> int:
    """Return the first step that was reported as done; 0 when none was."""
    return next((report.step for report in reports if report.step > 0), 0)


def assert_progress_sound(reports: list[Progress]) -> None:
    """Check that the steps rise to a total that is known before the first of them is done.

    While images are being prepared (step 0) the total may still be an estimate.
    """
    assert reports, "no progress was reported"
    totals = {report.total for report in reports if report.step > 0}
    assert len(totals) == 1, f"the total changed on the way: {sorted(totals)}"
    total = totals.pop()
    steps = [report.step for report in reports]
    assert total > 0, f"the total is {total}"
    assert steps == sorted(steps), f"the steps went back: {steps}"
    assert steps[0] >= 0, f"the first step is {steps[0]}"
    assert steps[-1] == total, f"the last report is step {steps[-1]} of {total}"
    for report in reports:
        for name, loss in report.losses.items():
            assert math.isfinite(loss), f"loss {name} is {loss} at step {report.step}"
