"""How a project stands: counts, queue, learning curve and where it leads, what runs."""

from __future__ import annotations

from dataclasses import dataclass

from limner.loop.arms import Arm, arms_of
from limner.loop.forecast import Forecast, forecast
from limner.loop.gains import NEWEST, bought
from limner.loop.jobs import Jobs
from limner.loop.models import Models
from limner.loop.projects import Projects
from limner.loop.stopping import LOOKED_AT, Correction, Stability, correction, stability
from limner.records import assignments as assignment_rows
from limner.records import corrections as correction_rows
from limner.records import counts, learning_curve, store_problems
from limner.records import models as model_rows
from limner.records import stability as stability_rows
from limner.records import trials as trial_rows
from limner.records.database import Records
from limner.records.learning_curve import CurvePoint
from limner.records.rows import Job, StoreProblem

CURVE_LENGTH = 500
"""Most versions on a learning curve, the newest ones."""

PROBLEMS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectProgress:
    """How a project stands now."""

    project: str
    samples: int
    """That are there: neither vanished nor removed."""
    ready: int
    """That wait for a label."""
    labelled: int
    validation: int
    """Labelled ones of the validation set."""
    validation_target: int
    """Size at which the validation set is complete."""
    set_aside: int
    unreadable: int
    vanished: int
    held: int
    """Lent to annotators now."""
    queued: int
    """Picks in the queue."""
    labels_since_training: int
    retrain_every: int
    """New labels that start a training; 0 for never."""
    round: int
    """How many versions were promoted."""
    serving: int | None
    """Number of the version that serves."""
    curve: list[CurvePoint]
    """Oldest first."""
    forecast: Forecast
    correction: Correction
    stability: Stability
    arms: list[Arm]
    """Of strategies that tell several ways of picking apart; empty without one."""
    jobs: list[Job]
    """That run or wait."""
    store_problems: int
    problems: list[StoreProblem]
    """The first of them."""


class ProgressReports:
    """Says how projects stand, without counting samples."""

    def __init__(self, records: Records, projects: Projects, models: Models, jobs: Jobs) -> None:
        self._records = records
        self._projects = projects
        self._models = models
        self._jobs = jobs

    def report(self, project: str) -> ProjectProgress:
        """Say how a project stands.

        Raises:
            NotFound: There is no such project.
        """
        with self._records.read() as tx:
            row = self._projects.named(tx, project)
            settings = self._projects.settings(row)
            serving = model_rows.serving(tx, row.id)
            held = assignment_rows.held_in(tx, row.id)
            curve = learning_curve.read(tx, row.id, limit=CURVE_LENGTH)
            corrected = correction_rows.newest(tx, row.id, limit=LOOKED_AT)
            agreeing = stability_rows.read(tx, row.id, limit=CURVE_LENGTH)
            arms = arms_of(
                trial_rows.counts(tx, row.id),
                bought(trial_rows.newest(tx, row.id, limit=NEWEST)),
            )
            problem_count = store_problems.count(tx, row.id)
            problems = store_problems.page(tx, row.id, after=0, limit=PROBLEMS_SHOWN)
        return ProjectProgress(
            project=row.name,
            samples=row.samples,
            ready=counts.ready(row),
            labelled=row.labelled,
            validation=row.validation,
            validation_target=settings.validation_target,
            set_aside=row.set_aside,
            unreadable=row.unreadable,
            vanished=row.vanished,
            held=held,
            queued=row.queued,
            labels_since_training=row.labels_since_training,
            retrain_every=settings.retrain_every,
            round=row.round,
            serving=None if serving is None else serving.number,
            curve=curve,
            forecast=forecast(
                curve, max(settings.retrain_every, 1), settings.target_score, settings.seed
            ),
            correction=correction(self._projects.task(row), corrected),
            stability=stability(agreeing),
            arms=arms,
            jobs=list(self._jobs.unfinished(row.id)),
            store_problems=problem_count,
            problems=problems,
        )
