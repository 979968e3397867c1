"""Describing samples without a model: descriptors of their pixels, stored as they come.

They stand for embeddings while no model describes the pool, and go once one does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from limner.engine import Engine
from limner.loop.describe import Quiet, Tally
from limner.loop.job_run import JobRun
from limner.loop.projects import Projects
from limner.loop.storing import Storing
from limner.plugin import FloatArray
from limner.records import descriptors as descriptor_rows
from limner.records.database import Records
from limner.records.descriptions import START, Due
from limner.records.rows import Project, Sample, SampleState

_PAGE = 256
_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelDescriber:
    """Lets the engine describe samples of one project by their pixels, within a `with` block.

    As `Describer` does it with a version: one batch is stored while the next one is described.
    """

    engine: Engine
    projects: Projects
    records: Records
    project: Project
    clock: Callable[[], float]
    storing: Storing = field(default_factory=Storing)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.storing.close()

    def walked(self, state: SampleState) -> Iterator[Sequence[Due]]:
        """Yield every sample in a state, in the random order, page by page, with what is due."""
        place = START
        while True:
            with self.records.read() as tx:
                found = descriptor_rows.walk(
                    tx, self.project.id, after=place, state=state, limit=_PAGE
                )
            if not found:
                return
            yield found
            place = (found[-1].sample.draw, found[-1].sample.id)

    def batch(self, run: JobRun, samples: Sequence[Sample], tally: Tally) -> None:
        """Describe samples, and begin to store what was found.

        Args:
            run: Asked whether to stop.
            samples: What to describe.
            tally: Counts them once they are stored.

        Raises:
            Stopped: The run is to end; what had come by then is being stored.
            EngineError: The worker fails whatever the image.
        """
        sources = [(each.id, self.projects.source(self.project, each)) for each in samples]
        answers: dict[int, FloatArray | Exception] = {}
        try:
            self.engine.describe_pixels(sources, Quiet(run), answers.__setitem__)
        finally:
            self.storing.begin(partial(self._store, samples, answers, tally))

    def settle(self) -> None:
        """Wait until everything that was found is stored."""
        self.storing.settle()

    def _store(
        self, samples: Sequence[Sample], answers: dict[int, FloatArray | Exception], tally: Tally
    ) -> None:
        described = []
        for sample in samples:
            answer = answers.get(sample.id)
            if isinstance(answer, Exception):
                tally.miss(sample, answer)
            elif answer is not None:
                described.append((sample, answer))
        with self.records.write() as tx:
            descriptor_rows.put(tx, self.project.id, described, at=self.clock())
        tally.described += len(described)


def forget_pixels(records: Records, project_id: int, go_on: Callable[[], bool]) -> None:
    """Let go of a project's descriptors, a little at a time: a model describes it now.

    Args:
        records: The database.
        project_id: Whose.
        go_on: Asked between the pieces; False ends it early.
    """
    while go_on():
        with records.write() as tx:
            if descriptor_rows.forget(tx, project_id, limit=_CHUNK) < _CHUNK:
                return
