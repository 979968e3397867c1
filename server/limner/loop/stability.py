"""Stability: how far a version agrees with the one that served before, on images neither learnt.

Bloodgood and Vijay-Shanker 2009, A method for stopping active learning based on stabilizing
predictions. The images are the first 50 of the project's seeded random order, so no strategy chose
them, and no label of them is needed. One that either version has learnt from does not count: a
model agrees with itself on what it knows by heart.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from limner.errors import LimnerError
from limner.images import decode_answer
from limner.images.class_labels import chosen
from limner.loop.agreement import MEASURES, agreement, class_kappa
from limner.loop.describe import BATCH, Describer, Tally
from limner.loop.job_run import JobRun
from limner.loop.models import Models
from limner.loop.prediction_files import PredictionFiles
from limner.loop.projects import Projects
from limner.plugin import Answer, ClassScores, LabelSchema, Task
from limner.records import models as model_rows
from limner.records import stability as stability_rows
from limner.records.database import Records
from limner.records.rows import ModelVersion, Project, Sample

log = logging.getLogger(__name__)

IMAGES = 50
LEAST = 5
"""Fewer images that neither version has learnt from say nothing."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """What two versions say of one image."""

    agreement: float
    new: tuple[str, ...]
    """Names of the classes, where these are the answer."""
    old: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stability:
    """Compares versions by their stored predictions."""

    records: Records
    projects: Projects
    models: Models
    files: PredictionFiles

    def record(self, run: JobRun, describer: Describer) -> None:
        """Have the images predicted, and put down how far the versions agree.

        What goes wrong is logged: a signal is not worth a failed job.

        Args:
            run: Asked whether to stop.
            describer: Of the version that serves now.

        Raises:
            Stopped: The run is to end.
        """
        try:
            self._record(run, describer)
        except LimnerError as error:
            log.warning("the stability of predictions is not known: %s", type(error).__name__)

    def _record(self, run: JobRun, describer: Describer) -> None:
        project, version = describer.project, describer.version
        with self.records.read() as tx:
            drawn = stability_rows.first_drawn(tx, project.id, limit=IMAGES)
            learnt = set(model_rows.trained_on(tx, version.id).values())
        images = [each for each in drawn if each.id not in learnt]
        missing = [each for each in images if self.files.find(version.id, each) is None]
        for start in range(0, len(missing), BATCH):
            run.check()
            describer.batch(run, missing[start : start + BATCH], Tally())
        describer.settle()
        if version.stability is not None:
            return
        with self.records.read() as tx:
            older = stability_rows.before(tx, version, [each.id for each in images], least=LEAST)
            if older is None:
                return
            learnt = set(model_rows.trained_on(tx, older.id).values())
        images = [each for each in images if each.id not in learnt]
        pairs = self._pairs(run, project, version, older, images)
        if len(pairs) < LEAST:
            return
        schema = self.models.schema(project, version)
        measure, value = _agreement(pairs, schema, self.projects.task(project))
        if value is None:
            return
        found = {
            "measure": measure,
            "agreement": value,
            "cases": len(pairs),
            "compared_with": older.number,
        }
        with self.records.write() as tx:
            stability_rows.put(tx, version.id, found)

    def _pairs(
        self,
        run: JobRun,
        project: Project,
        version: ModelVersion,
        older: ModelVersion,
        images: Sequence[Sample],
    ) -> list[_Pair]:
        """Compare the versions' answers, image by image."""
        pairs = []
        schemas = (self.models.schema(project, version), self.models.schema(project, older))
        for sample in images:
            run.check()
            try:
                new = self._answer(project, version, sample)
                old = self._answer(project, older, sample)
            except LimnerError as error:
                log.warning("sample %d is not compared: %s", sample.id, type(error).__name__)
                continue
            if new is not None and old is not None:
                said = [_classes(*each) for each in zip((new, old), schemas, strict=True)]
                pairs.append(_Pair(agreement(new, old, *schemas).value, said[0], said[1]))
        return pairs

    def _answer(self, project: Project, version: ModelVersion, sample: Sample) -> Answer | None:
        found = self.files.find(version.id, sample)
        if found is None:
            return None
        stored, path = found
        source = self.projects.source(project, sample)
        schema, task = self.models.schema(project, version), self.projects.task(project)
        header = source.header()
        return decode_answer(path, stored.format, header, schema, task, source.limits)


def _classes(answer: Answer, schema: LabelSchema) -> tuple[str, ...]:
    return chosen(answer, schema) if isinstance(answer, ClassScores) else ()


def _agreement(pairs: Sequence[_Pair], schema: LabelSchema, task: Task) -> tuple[str, float | None]:
    """Return the measure and its value; None where both say one and the same of every image."""
    if task is not Task.CLASSIFICATION:
        return MEASURES[task], fmean(each.agreement for each in pairs)
    new, old = [each.new for each in pairs], [each.old for each in pairs]
    return "kappa", class_kappa(new, old, schema.names, exclusive=schema.exclusive)
