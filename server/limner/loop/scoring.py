"""One scoring: the pool is described, by whatever describes it, and a strategy picks from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from limner.loop.describe import BATCH, Tally
from limner.loop.job_run import JobRun
from limner.plugin import Progress
from limner.records.descriptions import Due
from limner.records.rows import Sample, SampleState

FIRST_PART = 500
"""So many described samples are enough for a first queue; then at each doubling, and at the end."""


class DescribesBatches(Protocol):
    """A version's `Describer`, or a `PixelDescriber`."""

    def batch(self, run: JobRun, samples: Sequence[Sample], tally: Tally) -> None:
        """Describe samples, and begin to store what was said."""
        ...

    def settle(self) -> None:
        """Wait until everything that was said is stored."""
        ...


@dataclass(slots=True, kw_only=True)
class Scoring:
    """Describes with one describer, and has the strategy pick."""

    job_run: JobRun
    describer: DescribesBatches
    walked: Callable[[SampleState], Iterable[Sequence[Due]]]
    """Yields the samples in a state, in the random order, with what the describer has not said."""
    states: Sequence[SampleState]
    """Whose samples are described, in this order; ready ones last."""
    ready: int
    """About how many samples are ready, for the progress."""
    queue: Callable[[], int | None]
    """Has the strategy pick; how many are queued, None when another version serves meanwhile."""
    still_serves: Callable[[], bool]
    """Whether the version that served at the beginning, or none, still does."""
    tally: Tally = field(default_factory=Tally)
    queued: int | None = 0

    def walk(self) -> bool:
        """Describe what is due and pick, at doubling sizes on the way and at the end.

        Returns:
            False when another version serves meanwhile.
        """
        total = max(self.ready, 1)
        passed, next_pick = 0, FIRST_PART
        batch: list[Sample] = []
        for due in self._along():
            passed += 1
            if due.is_due:
                batch.append(due.sample)
            if len(batch) >= BATCH:
                self._tell(passed, total)
                if not self._batch(batch):
                    return False
                batch = []
            if passed >= next_pick and not batch:
                next_pick = 2 * passed
                if passed < total and not self.pick():
                    return False
        self._tell(passed, max(total, passed))
        return self._batch(batch) and self.pick()

    def describe(self, samples: Sequence[Sample]) -> bool:
        """Describe samples; False when another version serves meanwhile."""
        for start in range(0, len(samples), BATCH):
            self._tell(start, len(samples))
            if not self._batch(samples[start : start + BATCH]):
                return False
        return True

    def pick(self) -> bool:
        """Have the strategy pick; False when another version serves meanwhile."""
        self.describer.settle()
        self.job_run.check()
        self.queued = self.queue()
        return self.queued is not None

    def _along(self) -> Iterator[Due]:
        for state in self.states:
            for found in self.walked(state):
                self.job_run.check()
                yield from found

    def _batch(self, samples: Sequence[Sample]) -> bool:
        if samples:
            self.job_run.check()
            self.describer.batch(self.job_run, samples, self.tally)
        return self.still_serves()

    def _tell(self, step: int, total: int) -> None:
        self.job_run.progress(
            Progress(step=min(step, total), total=total, message="describing the pool")
        )
