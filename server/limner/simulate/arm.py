"""One arm: rounds of handing out, labelling, training, promoting, scoring and measuring.

It drives the very service that a server runs, by the calls that its web makes, in this process. An
arm that was cut off goes on where its home and its record stand.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from limner.engine import CaseSource
from limner.errors import Conflict, EngineError
from limner.images import encode_answer, label_suffixes
from limner.loop.assign import Lent
from limner.loop.seeds import derived_seed
from limner.loop.service import Service
from limner.records.rows import JobKind, ModelState, ModelVersion
from limner.simulate.arm_engine import ArmEngine
from limner.simulate.arm_home import ANNOTATOR, PROJECT, batch_of, queue_for
from limner.simulate.arm_jobs import ArmJobs
from limner.simulate.arm_samples import labelled, put_aside
from limner.simulate.arm_watch import ArmWatch
from limner.simulate.design import Design
from limner.simulate.mistakes import mistaken
from limner.simulate.record import Record, evaluation_record
from limner.simulate.split import Split
from limner.simulate.truth import Truth
from limner.simulate.work_items import WorkItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What every piece of work of a comparison shares."""

    design: Design
    truth: Truth
    split: Split

    def case(self, name: str) -> CaseSource:
        """Return an image with its true label, as a worker needs it."""
        known = self.truth.known[name]
        return CaseSource(
            id=name,
            image=self.truth.source(name),
            label=known.label,
            label_format=known.suffix,
            fingerprint=f"{self.design.truth_digest}/{name}",
        )

    def validation(self, seed: int) -> tuple[str, ...]:
        """Return the names of the validation set of a seed; none where no label goes to it."""
        project = self.design.project
        target = project.validation_target if project.validation_share > 0 else 0
        return self.split.validation(seed, target)


class Arm:
    """Drives the service of one arm, or of a beginning."""

    def __init__(
        self,
        service: Service,
        engine: ArmEngine,
        material: Material,
        item: WorkItem,
        record: Record,
        watch: ArmWatch,
    ) -> None:
        """Take a service that has been started."""
        self._service = service
        self._engine = engine
        self._material = material
        self._design = material.design
        self._item = item
        self._record = record
        self._watch = watch
        self._jobs = ArmJobs(service, watch)
        self._test = [material.case(name) for name in material.split.test]

    def run(self) -> None:
        """Go through the rounds that are left, keeping each as it ends.

        Raises:
            Stopped: The watch said so.
            LimnerError: Something failed; the rounds that are done are kept.
        """
        began = time.monotonic()
        self._watch.stage("taking in images")
        while not self._service.ingest.wait_until_looked([PROJECT], 0.2):
            self._watch.check()
        self._jobs.settle()
        self._watch.stage("putting images aside")
        split, seed = self._material.split, self._item.seed
        put_aside(self._service, split.pool, self._material.validation(seed))
        if not self._record.started_s:
            self._record.started_s = round(time.monotonic() - began, 3)
        while len(self._record.rounds) < self._item.rounds:
            self._round(len(self._record.rounds) + 1)

    def _round(self, number: int) -> None:
        spent, began = self._engine.spent(), time.monotonic()
        wanted = self._design.budgets[number - 1]
        before = wanted - batch_of(self._design, number)
        self._fit_queue(number)
        if self._service.projects.get(PROJECT).labelled == before and not self._held():
            self._jobs.make_picks(fresh=number == 1)
        picked = self._since(spent)
        labelling = time.monotonic()
        self._label_until(wanted)
        is_last = number == self._item.rounds
        training = time.monotonic()
        if not is_last:
            self._fit_queue(number + 1)
        version = self._train(number)
        trained = time.monotonic()
        scored = self._go_on(version, is_last=is_last)
        self._watch.stage("measuring")
        measuring = time.monotonic()
        measured = version if self._design.every_version else self._service.models.serving(PROJECT)
        test = None if measured is None else self._measure(measured)
        ahead, self._record.ahead = self._record.ahead, scored
        seconds = {
            "describe": picked["describe"] + ahead.get("describe", 0.0),
            "select": picked["select"] + ahead.get("select", 0.0),
            "label": training - labelling,
            "train": trained - training,
            "trial": scored.get("trial", 0.0),
            "measure": time.monotonic() - measuring,
            "round": time.monotonic() - began,
        }
        entry = {
            "round": number,
            **self._labels(before, wanted),
            **_of_version(version),
            "measured_version": None if measured is None else measured.number,
            "test": test,
            "arms": [each.as_json() for each in self._service.progress.report(PROJECT).arms],
            "seconds": {name: round(each, 3) for name, each in seconds.items()},
        }
        self._record.rounds.append(entry)
        self._record.save()
        self._watch.round_done(entry)

    def _fit_queue(self, number: int) -> None:
        """Have the strategy asked for as many picks as a round takes."""
        length = queue_for(batch_of(self._design, number))
        project = self._service.projects.get(PROJECT)
        if self._service.projects.settings(project).queue_length != length:
            settings = {"queue_length": length}
            self._service.projects.change(PROJECT, settings=settings, actor=ANNOTATOR)

    def _label_until(self, wanted: int) -> None:
        while (done := self._service.projects.get(PROJECT).labelled) < wanted:
            self._watch.check()
            self._watch.stage("labelling", done, wanted)
            lent = self._held() or self._service.assignments.next(PROJECT, ANNOTATOR)
            if not isinstance(lent, Lent):
                raise Conflict(f"{wanted} labels are wanted, but after {done}: {lent.reason}")
            self._label(lent)

    def _held(self) -> Lent | None:
        """Return what was handed out before the arm was cut off and has no label yet."""
        held = self._service.assignments.held(PROJECT, ANNOTATOR)
        return self._service.assignments.shown(held[0].id) if held else None

    def _label(self, lent: Lent) -> None:
        name = lent.sample.name
        known = self._material.truth.known.get(name)
        if known is None:
            raise Conflict(f"Image {name!r} was handed out, but no label of it is known.")
        data, suffix = known.label.read_bytes(), known.suffix
        if self._item.noise:
            data, suffix = self._with_mistakes(name)
        self._service.labels.submit(
            PROJECT,
            lent.sample.id,
            file=io.BytesIO(data),
            filename=f"label{suffix}",
            annotator=ANNOTATOR,
            assignment_id=lent.assignment.id,
            seconds=round(known.cost.seconds, 1),
        )

    def _with_mistakes(self, name: str) -> tuple[bytes, str]:
        """Return the label as a careless annotator gives it: the same for every strategy."""
        schema, task = self._design.schema, self._design.kind
        header = self._material.truth.source(name).header()
        answer = self._material.truth.answer(name, schema, task)
        random = np.random.default_rng(derived_seed(self._item.seed, f"mistakes/{name}"))
        suffix = label_suffixes(task, header.kind)[0]
        drawn = mistaken(answer, schema, self._item.noise, random)
        return encode_answer(drawn, header, schema, suffix), suffix

    def _train(self, number: int) -> ModelVersion:
        """Have the version of this round trained, unless it is there already."""
        newest = self._newest()
        if newest is None or newest.number < number:
            if not self._jobs.open_jobs(JobKind.TRAIN):
                params: dict[str, Any] = {"effort": self._design.effort}
                if self._design.every_version:
                    # It serves whatever a test would say, so half of the time is saved.
                    params["untested"] = True
                if self._design.from_scratch:
                    params["from_scratch"] = True
                self._service.retrain.request(PROJECT, ANNOTATOR, params)
            self._jobs.settle(JobKind.TRAIN)
            newest = self._newest()
        if newest is None or newest.number < number:
            job = self._jobs.newest(JobKind.TRAIN)
            error = {} if job is None else job.error or {}
            raise EngineError(f"The training of round {number} failed: {error.get('detail', '')}")
        return newest

    def _go_on(self, version: ModelVersion, *, is_last: bool) -> dict[str, float]:
        """Let the version serve and the pool be scored; return the seconds of that."""
        spent = self._engine.spent()
        if self._design.every_version and version.state != ModelState.SERVING:
            self._service.models.promote(PROJECT, version.number, ANNOTATOR)
        if is_last:
            # What would be picked next is not asked for here; an arm asks with its own strategy.
            for kind in (JobKind.TRIAL, JobKind.SCORE):
                for job in self._jobs.open_jobs(kind):
                    self._service.jobs.cancel(job.id, ANNOTATOR)
        self._jobs.settle()
        if is_last:
            return {}
        # No training runs here but those of a trial.
        now = self._engine.spent()
        trial = sum(now.get(each, 0.0) - spent.get(each, 0.0) for each in ("train", "evaluate"))
        return {**self._since(spent), "trial": trial}

    def _measure(self, version: ModelVersion) -> dict[str, Any]:
        project = self._service.projects.get(PROJECT)
        ref = self._service.models.ref(project, version)
        evaluation = self._engine.evaluate(ref, self._test, self._watch)
        return evaluation_record(evaluation, self._material.split.test)

    def _newest(self) -> ModelVersion | None:
        return next(iter(self._service.models.list(PROJECT, limit=1).items), None)

    def _labels(self, before: int, wanted: int) -> dict[str, Any]:
        """Say what was labelled in this round, and how much there is."""
        every = labelled(self._service)[:wanted]
        picks = []
        for label, sample in every[before:]:
            assert label.assignment_id is not None  # noqa: S101 - all were handed out
            lent = self._service.assignments.get(label.assignment_id)
            picks.append(
                {
                    "sample": sample.name,
                    "purpose": lent.purpose,
                    "strategy": lent.strategy,
                    "arm": lent.arm,
                    "score": lent.score,
                    "reason": lent.reason,
                }
            )
        validation = sum(sample.is_validation for _, sample in every)
        return {"labels": len(every), "validation_labels": validation, "picks": picks}

    def _since(self, spent: Any) -> dict[str, float]:
        now = self._engine.spent()
        return {
            name: round(now.get(name, 0.0) - spent.get(name, 0.0), 3)
            for name in ("describe", "select")
        }


def _of_version(version: ModelVersion) -> dict[str, Any]:
    return {
        "version": version.number,
        "outcome": version.decision.get("outcome", ""),
        "reason": version.decision.get("reason", ""),
        "notes": list(version.notes),
        "steps": version.metrics.get("steps"),
    }
