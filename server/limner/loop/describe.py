"""Describing samples in batches: predictions and descriptions, stored as they come.

A sample that fails is counted and left out; the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from limner.engine import Engine, ModelRef, PartWanted, Priority
from limner.errors import EngineError, LimnerError
from limner.images import ImageSource
from limner.loop.job_run import JobRun
from limner.loop.prediction_files import Made, PredictionFiles, encoded
from limner.loop.projects import Projects
from limner.loop.storing import Storing
from limner.plugin import Described, Description, Json, Prediction, Progress
from limner.records.rows import ModelVersion, Project, Sample

log = logging.getLogger(__name__)

BATCH = 32
_SHOWN = 20


@dataclass(slots=True)
class Tally:
    """What a job has described so far."""

    described: int = 0
    failed: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """By sample id, the first few."""

    def miss(self, sample: Sample, error: Exception) -> None:
        """Count a sample that could not be described."""
        self.failed += 1
        if len(self.failures) < _SHOWN:
            self.failures[str(sample.id)] = f"{type(error).__name__}: {error}"[:500]
        log.warning("sample %d could not be described: %s", sample.id, type(error).__name__)

    def as_json(self) -> dict[str, Json]:
        """Return plain values for a job's result."""
        return {
            "described": self.described,
            "failed": self.failed,
            "failures": dict(self.failures),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Describer:
    """Lets the engine describe samples of one project with one version, within a `with` block.

    What was said of one batch is stored while the next one is described; at the end of the block,
    and after `settle`, all of it is stored.
    """

    engine: Engine
    projects: Projects
    files: PredictionFiles
    project: Project
    version: ModelVersion
    ref: ModelRef
    describes: bool
    """Whether the app can describe; where it cannot, predictions alone are made."""
    asked: str = ""
    """Which parts of images are asked for, as `limner.loop.regions.asked_text` names them."""
    parts: Callable[[Sequence[Sample]], Mapping[int, PartWanted]] = lambda samples: {}
    """Says of samples which part each is to have found, by id."""
    storing: Storing = field(default_factory=Storing)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.storing.close()

    def batch(self, run: JobRun, samples: Sequence[Sample], tally: Tally) -> None:
        """Describe samples, and begin to store what was said.

        Args:
            run: Asked whether to stop.
            samples: What to describe.
            tally: Counts them once they are stored.

        Raises:
            Stopped: The run is to end; what had come by then is being stored.
            EngineError: The worker fails whatever the image.
            StorageFull: There was no room for the batch before.
        """
        sources = {each.id: self.projects.source(self.project, each) for each in samples}
        answers: dict[int, Described | Prediction | Exception] = {}
        try:
            self._describe(run, samples, sources, answers)
        finally:
            self.storing.begin(partial(self._store, samples, sources, answers, tally))

    def settle(self) -> None:
        """Wait until everything that was said is stored.

        Raises:
            StorageFull: There was no room for it.
        """
        self.storing.settle()

    def _describe(
        self,
        run: JobRun,
        samples: Sequence[Sample],
        sources: dict[int, ImageSource],
        answers: dict[int, Described | Prediction | Exception],
    ) -> None:
        if self.describes:
            pairs = [(each.id, sources[each.id]) for each in samples]
            parts = self.parts(samples)
            self.engine.describe(self.ref, pairs, Quiet(run), answers.__setitem__, parts)
            return
        for each in samples:
            run.check()
            try:
                answers[each.id] = self.engine.predict(
                    self.ref, sources[each.id], priority=Priority.BULK
                )
            except EngineError:
                raise
            except LimnerError as error:
                answers[each.id] = error

    def _store(
        self,
        samples: Sequence[Sample],
        sources: dict[int, ImageSource],
        answers: dict[int, Described | Prediction | Exception],
        tally: Tally,
    ) -> None:
        made = []
        for sample in samples:
            answer = answers.get(sample.id)
            if answer is None:
                continue
            if isinstance(answer, Exception):
                tally.miss(sample, answer)
                continue
            try:
                made.append(self._made(sample, sources[sample.id], answer))
            except LimnerError as error:
                tally.miss(sample, error)
        if made:
            self.files.store(self.project.id, self.version.id, made, asked=self.asked)
            tally.described += len(made)

    def _made(self, sample: Sample, source: ImageSource, answer: Described | Prediction) -> Made:
        prediction, description = _parts(answer)
        task = self.projects.task(self.project)
        file, suffix = encoded(prediction.answer, source.header(), self.ref.schema, task)
        return Made(sample=sample, file=file, suffix=suffix, description=description)


def _parts(answer: Described | Prediction) -> tuple[Prediction, Description | None]:
    if isinstance(answer, Described):
        return answer.prediction, answer.description
    return answer, None


@dataclass(frozen=True, slots=True)
class Quiet:
    """A watch that only tells when to stop: the progress of one batch is no news."""

    run: JobRun

    def progress(self, progress: Progress) -> None:
        """Take no note."""

    def should_stop(self) -> bool:
        """Tell whether the job is to end."""
        return self.run.should_stop()
