"""One run of a job, as its handler sees it: whom to report to, and whether to go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from limner.loop.plain import plain
from limner.plugin import Progress, Stopped, Watch
from limner.records.rows import Job


class JobRun:
    """The watch of a running job. The handler's thread reports; any thread may end it."""

    def __init__(
        self, job: Job, report: Callable[[dict[str, Any]], None], clock: Callable[[], float]
    ) -> None:
        """Take a job that has just been set running.

        Args:
            job: The job's row; `params` are those of this run.
            report: Gets every progress, as the record keeps it.
            clock: For the estimate of the time left.
        """
        self.job = job
        self.latest: dict[str, Any] = dict(job.progress)
        self._report = report
        self._clock = clock
        self._cancelled = threading.Event()
        self._yields = threading.Event()
        self._halted = threading.Event()
        self._first: tuple[float, float] | None = None

    @property
    def project_id(self) -> int:
        """Whose job it is."""
        return self.job.project_id

    def progress(self, progress: Progress) -> None:
        """Report the progress of the whole job."""
        self._tell(progress, progress.step / progress.total if progress.total > 0 else 0.0)

    def should_stop(self) -> bool:
        """Tell whether to end: cancelled, the server stops, or a more urgent job waits."""
        return self._cancelled.is_set() or self._halted.is_set() or self._yields.is_set()

    def should_yield(self) -> bool:
        """Tell whether a more urgent job waits for this one to make room."""
        return self._yields.is_set()

    def check(self) -> None:
        """Raise when the job is to end.

        Raises:
            Stopped: It is.
        """
        if self.should_stop():
            raise Stopped("The job was told to stop.")

    def stage(self, start: float, end: float, name: str) -> Watch:
        """Return a watch for a part of the job, from one fraction of its time to another."""
        return _Stage(self, start, end, name)

    def cancel(self) -> None:
        """End the job for good."""
        self._cancelled.set()

    def make_room(self) -> None:
        """End this run because a more urgent job waits; the job will be run again."""
        self._yields.set()

    def halt(self) -> None:
        """End this run because the server stops; the job will be run again."""
        self._halted.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody cancelled the job."""
        return self._cancelled.is_set()

    @property
    def is_interrupted(self) -> bool:
        """Whether the job is to be run again later."""
        return not self.is_cancelled and (self._halted.is_set() or self._yields.is_set())

    def goes_on_after(self, error: Exception) -> bool:
        """Tell whether the job is to be run again after what ended it, with what it has so far."""
        return self.is_interrupted if isinstance(error, Stopped) else self.is_halted

    @property
    def is_halted(self) -> bool:
        """Whether the server stops."""
        return self._halted.is_set()

    def _tell(self, progress: Progress, fraction: float, name: str = "") -> None:
        message = ": ".join(part for part in (name, progress.message) if part)
        self.latest = {
            "step": progress.step,
            "total": progress.total,
            "losses": plain(progress.losses),
            "message": message,
            "eta_s": self._time_left(min(max(fraction, 0.0), 1.0)),
        }
        self._report(self.latest)

    def _time_left(self, fraction: float) -> float | None:
        """Seconds left at the pace since the first report of this run; None before a second one."""
        now = self._clock()
        if self._first is None:
            self._first = (now, fraction)
        began, done_before = self._first
        if fraction <= done_before or now <= began:
            return None
        return round((now - began) * (1 - fraction) / (fraction - done_before), 1)


class _Stage:
    """A part of a job: passes progress on with its name, scaled to its share of the time."""

    def __init__(self, run: JobRun, start: float, end: float, name: str) -> None:
        self._run = run
        self._start = start
        self._end = end
        self._name = name

    def progress(self, progress: Progress) -> None:
        """Report the progress of this part."""
        part = progress.step / progress.total if progress.total > 0 else 0.0
        self._run._tell(progress, self._start + (self._end - self._start) * part, self._name)

    def should_stop(self) -> bool:
        """Tell whether the job is to end."""
        return self._run.should_stop()


def failure(error: Exception) -> Mapping[str, str]:
    """Say an error as a job's row keeps it: its type and what it says."""
    return {"type": type(error).__name__, "detail": str(error) or type(error).__name__}
