"""One review from its folds to a finding for each label."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from limner.engine import CaseSource, ModelRef, Priority
from limner.errors import Conflict, EngineError, ImageTooLarge, LimnerError
from limner.images import read_label
from limner.loop.job_run import JobRun
from limner.loop.plain import plain
from limner.loop.seeds import derived_seed
from limner.loop.suspects import Finding, judge_classes, judge_mask, judge_objects
from limner.loop.training_plan import TrainingPlan
from limner.loop.training_work import TrainingWork
from limner.plugin import ClassScores, Instances, Mask, Progress, Task, inside
from limner.stores.durable import full_disk_said

log = logging.getLogger(__name__)

MOST_BYTES = 2**31
"""Probabilities of one image that are let into the server's memory at a time."""

_ANSWERS = "answers.json"
_SHOWN = 20
_CLIENT = "review"


@dataclass(slots=True)
class ReviewRun:
    """The folds of one review; one that goes on finds the folds that it has finished."""

    run: JobRun
    plan: TrainingPlan
    work: TrainingWork
    cases: Mapping[int, CaseSource]
    """By label id, those whose image is at hand."""
    task: Task
    failed: int = 0
    """How many labels could not be judged."""
    failures: dict[str, str] = field(default_factory=dict)
    """Why, by sample id; the first few."""

    def findings(self, parts: Sequence[Sequence[int]]) -> dict[int, Finding]:
        """Return a finding for each label that could be judged, by its id.

        Args:
            parts: The label ids that each fold judges.

        Raises:
            Stopped: The job is to end; finished folds are found again when it goes on.
            EngineError: A training failed, or a worker whatever the image.
        """
        answers: dict[int, dict[str, Any]] = {}
        for number, part in enumerate(parts, start=1):
            held_out = [label for label in part if label in self.cases]
            train = [
                label
                for other in parts
                if other is not part
                for label in other
                if label in self.cases
            ]
            if held_out and train:
                answers |= self._fold(number, len(parts), held_out, sorted(train))
        judged = {}
        for label, answer in answers.items():
            if "error" in answer:
                self._miss(label, answer["error"])
            else:
                judged[label] = answer
        if self.task is Task.CLASSIFICATION:
            given = np.array([each["given"] for each in judged.values()], np.float64)
            said = np.array([each["said"] for each in judged.values()], np.float64)
            return dict(zip(judged, judge_classes(given, said, self.plan.schema), strict=True))
        return {label: Finding(**each) for label, each in judged.items()}

    def _fold(
        self, number: int, folds: int, held_out: Sequence[int], train: Sequence[int]
    ) -> dict[int, dict[str, Any]]:
        """Train without some labels and say what that model thinks of them."""
        name = f"fold-{number}"
        file = self.work.folder / name / _ANSWERS
        known = _read(file)
        if known is not None:
            return known
        begin, end = (number - 1) / folds, number / folds
        middle = begin + 0.8 * (end - begin)
        of = f"{number} of {folds}"
        trained = self.work.train(
            name,
            [self.cases[each] for each in train],
            [],
            self.run.stage(begin, middle, f"training {of}"),
            effort=self.plan.effort,
            seed=derived_seed(self.plan.seed, "fold", number),
            from_parent=False,
        )
        model = self.work.model(trained)
        stage = self.run.stage(middle, end, f"judging {of}")
        answers = {}
        for done, label in enumerate(held_out):
            stage.progress(Progress(step=done, total=len(held_out)))
            self.run.check()
            answers[label] = self._answer(model, self.cases[label])
        _write(file, answers)
        return answers

    def _answer(self, model: ModelRef, case: CaseSource) -> dict[str, Any]:
        """Return what is to be known of one label, as plain values; `error` where it failed."""
        try:
            return self._said(model, case)
        except EngineError:
            raise
        except LimnerError as error:
            return {"error": f"{type(error).__name__}: {error}"[:500]}

    def _said(self, model: ModelRef, case: CaseSource) -> dict[str, Any]:
        schema, header = self.plan.schema, case.image.header()
        label = read_label(
            case.label, case.label_format, header, schema, self.task, case.image.limits
        )
        wants_map = self.task is Task.SEGMENTATION
        size = 4 * len(schema.values) * math.prod(header.shape)
        if wants_map and size > MOST_BYTES:
            raise ImageTooLarge(
                f"The probabilities of {len(schema.values)} classes for an image of shape "
                f"{header.shape} take {size:,} bytes, more than the {MOST_BYTES:,} of a review."
            )
        prediction = self.work.engine.predict(
            model, case.image, probabilities=wants_map, priority=Priority.BULK, client=_CLIENT
        )
        answer = prediction.answer
        if isinstance(label, ClassScores) and isinstance(answer, ClassScores):
            return {
                "given": label.probabilities.tolist(),
                "said": answer.probabilities.tolist(),
            }
        if isinstance(label, Instances) and isinstance(answer, Instances):
            return asdict(judge_objects(label, answer))
        if isinstance(label, Mask) and prediction.probabilities is not None:
            given, said = label.array, prediction.probabilities
            if case.regions is not None:
                known = inside(case.regions, given.shape)
                given, said = given[known], said[:, known]
            return asdict(judge_mask(given, said, schema))
        raise Conflict(
            f"App {self.plan.project.app!r} gives no probabilities, so no mask can be judged."
        )

    def _miss(self, label: int, why: str) -> None:
        self.failed += 1
        sample = self.cases[label].id
        if len(self.failures) < _SHOWN:
            self.failures[sample] = why
        log.warning("the label of sample %s could not be judged", sample)


def _write(path: Path, answers: Mapping[int, Mapping[str, Any]]) -> None:
    temporary = path.with_suffix(".tmp")
    with full_disk_said(path.parent):
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(plain(answers), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


def _read(path: Path) -> dict[int, dict[str, Any]] | None:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return {int(label): answer for label, answer in stored.items()}
