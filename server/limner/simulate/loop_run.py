"""Rounds of the loop against known labels: label, wait for the training, measure what serves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from limner.client import Job, Limner, ModelVersion, ProjectHandle, Sample
from limner.errors import Conflict, NotFound
from limner.simulate.annotator import SimulatedAnnotator
from limner.simulate.score import Pair, score_of

OnJob = Callable[[Job], None]
OnStep = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and of how much."""

_RECENT_JOBS = 50
_POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round brought."""

    number: int
    labels: int
    """Submitted by the annotator until now."""
    trained: int | None
    """Number of the version that this round trained; None when there was nothing to train on."""
    outcome: str
    """What the gate said of it."""
    reason: str
    """Why, in its words."""
    serving: int | None
    """Number of the version that serves afterwards."""
    validation_measure: str
    """What the server measured the trained version by, as its app calls it; empty for none."""
    validation_score: float | None
    """Of the version that this round trained, as the server measured it."""
    unseen_measure: str
    """What unseen cases are measured by; see `limner.simulate.score`."""
    unseen_score: float | None
    """Of what the server answers for the unseen cases; None where no version serves yet."""
    training_s: float
    seconds: float
    """The whole round: labelling, training, scanning the pool, measuring."""


def ignore_job(job: Job) -> None:
    """Tell nobody."""


def ignore_step(what: str, done: int, total: int) -> None:
    """Tell nobody."""


class LoopRun:
    """Drives a project over HTTP, and measures what it serves on cases that nobody labels."""

    def __init__(
        self,
        limner: Limner,
        project: ProjectHandle,
        annotator: SimulatedAnnotator,
        unseen: Mapping[str, Path],
        *,
        on_job: OnJob = ignore_job,
        on_step: OnStep = ignore_step,
        job_timeout_s: float = 1800.0,
    ) -> None:
        """Take the parts.

        Args:
            limner: The server.
            project: The project on it.
            annotator: Who labels.
            unseen: True labels by sample name of the cases that are only ever predicted.
            on_job: Told of running jobs as they go on.
            on_step: Told of labelling and measuring.
            job_timeout_s: Longest that one job may take.
        """
        self._limner = limner
        self._project = project
        self._annotator = annotator
        self._unseen = dict(unseen)
        self._on_job = on_job
        self._on_step = on_step
        self._job_timeout_s = job_timeout_s
        self._unseen_ids: dict[str, int] = {}
        self._rounds = 0
        self._labels = 0
        self._score = score_of(project.get())

    def prepare(self, samples: int, timeout_s: float = 120.0) -> None:
        """Wait until the server has taken in all images; set the unseen ones aside.

        Samples that are set aside are never handed out, so nothing is ever trained on them.

        Args:
            samples: How many images there are, unseen ones counted.
            timeout_s: Longest wait.

        Raises:
            Conflict: They were not taken in within that time.
            NotFound: An unseen case is not among them.
        """
        deadline = time.monotonic() + timeout_s
        while (known := self._project.get().counts.get("samples", 0)) < samples:
            if time.monotonic() > deadline:
                raise Conflict(f"The server took in {known} of {samples} images in {timeout_s} s.")
            self._on_step("Taking in images", known, samples)
            time.sleep(_POLL_S)
        for done, (name, sample) in enumerate(self._unseen_samples().items()):
            self._on_step("Setting unseen cases aside", done, len(self._unseen))
            self._project.change_sample(sample.id, state="set_aside")
            self._unseen_ids[name] = sample.id

    def round(self, labels: int, effort: float | None = None) -> Round:
        """Label so many samples, let the server train and scan the pool, and measure.

        Args:
            labels: How many; fewer where the pool holds no more.
            effort: Fraction of the usual training, where the server has not begun one by itself.
        """
        started = time.monotonic()
        self._rounds += 1
        before = self._newest_version()
        done = self._label(labels)
        self._labels += done
        training = time.monotonic()
        if not any(job.kind == "train" for job in self._active_jobs()) and (
            _number(self._newest_version()) == _number(before)
        ):
            self._project.start_job("train", **({} if effort is None else {"effort": effort}))
        self.settle()
        training_s = time.monotonic() - training
        new = self._newest_version()
        trained = None if _number(new) == _number(before) else new
        decision: Mapping[str, Any] = {} if trained is None else trained.decision
        serving = self._project.get().model_version
        return Round(
            number=self._rounds,
            labels=self._labels,
            trained=None if trained is None else trained.number,
            outcome=str(decision.get("outcome", "")),
            reason=str(decision.get("reason", "")),
            serving=serving,
            validation_measure=str(decision.get("measure", "")),
            validation_score=validation_score(decision),
            unseen_measure=self._score.measure,
            unseen_score=None if serving is None else self.measure(),
            training_s=round(training_s, 2),
            seconds=round(time.monotonic() - started, 2),
        )

    def settle(self) -> None:
        """Wait until the project has no job that waits or runs.

        Raises:
            JobFailed: One of them failed.
        """
        while active := self._active_jobs():
            first = min(active, key=lambda job: (job.state != "running", job.id))
            self._limner.wait(first, self._on_job, self._job_timeout_s, poll_s=_POLL_S)

    def measure(self) -> float:
        """Predict every unseen case over HTTP and score what comes."""
        return self._score.of(self._pairs())

    def _pairs(self) -> Iterator[Pair]:
        for done, (name, sample) in enumerate(self._unseen_ids.items()):
            self._on_step("Predicting unseen cases", done, len(self._unseen_ids))
            yield self._project.predict(sample), self._unseen[name]

    def _label(self, count: int) -> int:
        for done in range(count):
            self._on_step("Labelling", done, count)
            if self._annotator.answer() is None:
                return done
        return count

    def _unseen_samples(self) -> dict[str, Sample]:
        found = {
            sample.name: sample
            for sample in self._project.samples(page=1000)
            if sample.name in self._unseen
        }
        absent = sorted(set(self._unseen) - set(found))
        if absent:
            raise NotFound(f"The server has no sample {absent[0]!r} ({len(absent)} are missing).")
        return found

    def _active_jobs(self) -> Sequence[Job]:
        return [job for job in islice(self._project.jobs(), _RECENT_JOBS) if not job.ended]

    def _newest_version(self) -> ModelVersion | None:
        return next(iter(self._project.models()), None)


def _number(version: ModelVersion | None) -> int:
    return 0 if version is None else version.number


def validation_score(decision: Mapping[str, Any]) -> float | None:
    """Mean score of a version as the server measured it when it decided on it."""
    score = decision.get("candidate_mean")
    return float(score) if isinstance(score, int | float) else None
