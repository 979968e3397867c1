"""Retrain: when a training starts, and the job that does it.

A training starts after N new labels, on a timer, or when asked. Labels that arrive while one runs
wait for the next: the counter goes on counting, and is looked at again when the training ends.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from limner.engine import Engine
from limner.errors import Conflict, InvalidRequest, LimnerError
from limner.loop.job_run import JobRun
from limner.loop.jobs import Handler, Jobs
from limner.loop.models import Models
from limner.loop.projects import Projects
from limner.loop.serving_scores import ServingScores
from limner.loop.training_plan import TrainingPlan, prepare
from limner.loop.training_run import TrainingRun
from limner.loop.training_work import workspace
from limner.plugin import Ability, Json
from limner.records import audit
from limner.records import jobs as job_rows
from limner.records import labels as label_rows
from limner.records import projects as project_rows
from limner.records.database import Records
from limner.records.rows import Job, JobKind, Project
from limner.registry import Registry
from limner.stores.blobs import Blobs

log = logging.getLogger(__name__)

TICK_S = 15.0
"""How often the timer looks whether a training is due."""
_PARAMS: Mapping[str, type | tuple[type, ...]] = {
    "from_scratch": bool,
    "effort": (int, float),
    "untested": bool,
}


class Retrain:
    """Starts and does trainings. Safe to use from any thread, but never inside a write."""

    def __init__(
        self,
        records: Records,
        projects: Projects,
        models: Models,
        jobs: Jobs,
        engine: Engine,
        blobs: Blobs,
        registry: Registry,
        work: Path,
        clock: Callable[[], float],
        *,
        trained: Callable[[Project], None],
    ) -> None:
        """Wire; nothing runs before `start`.

        Args:
            records: The database.
            projects: The projects.
            models: The model versions.
            jobs: Where trainings queue.
            engine: What trains and measures.
            blobs: Labels and weights.
            registry: Knows what an app can do.
            work: Folder of workspaces and caches: `<project id>/<job id>`, `<project id>/cache`.
            clock: Seconds since 1970.
            trained: Told of every finished training, to have done what follows from it.
        """
        self._records = records
        self._projects = projects
        self._models = models
        self._jobs = jobs
        self._engine = engine
        self._registry = registry
        self._work = work
        self._clock = clock
        self._trained = trained
        self._training = TrainingRun(
            records=records,
            projects=projects,
            models=models,
            engine=engine,
            blobs=blobs,
            scores=ServingScores(records, engine),
            clock=clock,
        )
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def handlers(self) -> Mapping[JobKind, Handler]:
        """Return what does trainings."""
        return {JobKind.TRAIN: self._train}

    def start(self) -> None:
        """Catch up on what a crash left unstarted, then watch the clock."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._watch_clock, name="retrain", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the timer; a running training belongs to the jobs."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(10)
            self._thread = None

    def label_submitted(self, project: Project) -> None:
        """Queue a training when enough new labels have come; they are counted by who took them."""
        with self._records.read() as tx:
            fresh = project_rows.find(tx, project.id)
        if fresh is not None and self._has_enough(fresh):
            self._jobs.ensure(fresh.id, JobKind.TRAIN)

    def request(self, project: str, actor: str, params: Mapping[str, Json] | None = None) -> Job:
        """Queue a training because somebody asks.

        Args:
            project: The project's name.
            actor: Who asks.
            params: `from_scratch` (bool) to start without the serving weights; `effort` (number
                above 0, at most 4) for a fraction of the usual number of steps; `untested` (bool)
                to record the version unmeasured: it serves only where none does, or by hand.

        Raises:
            NotFound: There is no such project, or its app is not there.
            Conflict: There is no label to learn from, or the app cannot train.
            InvalidRequest: A parameter is unknown or does not fit.
        """
        wishes = _checked(params or {})
        with self._records.read() as tx:
            found = self._projects.named(tx, project)
            has_labels = bool(label_rows.current(tx, found.id, limit=1))
        if not self._can_train(found):
            raise Conflict(f"App {found.app!r} of project {project} cannot train.")
        if not has_labels:
            raise Conflict(
                f"Project {project} has no submitted label to learn from; submit at least one."
            )
        job = self._jobs.ensure(found.id, JobKind.TRAIN, wishes)
        with self._records.write() as tx:
            audit.write(
                tx,
                at=self._clock(),
                project_id=found.id,
                actor=actor,
                action="training.requested",
                subject=f"job:{job.id}",
                details=dict(wishes),
            )
        return job

    def catch_up(self) -> None:
        """Queue the trainings that enough labels asked for before the server last ended."""
        for project in self._live():
            if self._has_enough(project):
                self._jobs.ensure(project.id, JobKind.TRAIN)

    def tick(self) -> None:
        """Queue the trainings that are due by time."""
        for project in self._live():
            if self._is_time(project):
                self._jobs.ensure(project.id, JobKind.TRAIN)

    def _watch_clock(self) -> None:
        look = self.catch_up
        while True:
            try:
                look()
            except Exception:
                log.exception("the timer of trainings met an error; it goes on")
            look = self.tick
            if self._stopping.wait(TICK_S):
                return

    def _live(self) -> Iterator[Project]:
        after = 0
        while True:
            with self._records.read() as tx:
                rows = project_rows.page(tx, after=after, limit=100)
            if not rows:
                return
            yield from rows
            after = rows[-1].id

    def _has_enough(self, project: Project) -> bool:
        every = self._projects.settings(project).retrain_every
        return 0 < every <= project.labels_since_training and self._can_train(project)

    def _is_time(self, project: Project) -> bool:
        minutes = self._projects.settings(project).retrain_minutes
        if minutes <= 0 or project.labels_since_training <= 0 or not self._can_train(project):
            return False
        with self._records.read() as tx:
            last = job_rows.newest(tx, project.id, JobKind.TRAIN)
        since = project.created_at if last is None else last.created_at
        passed = self._clock() - since
        # A clock that was set back must not silence the timer until it has caught up.
        return passed >= 60 * minutes or passed < 0

    def _can_train(self, project: Project) -> bool:
        try:
            return Ability.TRAIN in self._registry.app(project.app).abilities
        except LimnerError as error:
            log.warning("%s cannot train: %s", project.name, error)
            return False

    def _train(self, run: JobRun) -> Mapping[str, Json]:
        plan = prepare(run, self._records, self._projects, self._registry)
        try:
            parent = self._parent_weights(plan)
            with workspace(
                run, self._records, self._engine, plan, self._work, parent=parent
            ) as work:
                result = self._training.run(run, plan, work)
        except Exception as error:
            if not run.goes_on_after(error):
                self._give_back(plan)
            raise
        self._go_on(plan.project, promoted=result["outcome"] == "promoted")
        return result

    def _go_on(self, project: Project, *, promoted: bool) -> None:
        """Do what a finished training asks for; its record is safe whatever happens here."""
        try:
            if promoted:
                self._jobs.ensure(project.id, JobKind.SCORE)
            self._models.prune(project)
            self.label_submitted(project)
            self._trained(project)
        except LimnerError as error:
            log.warning("after the training of %s: %s", project.name, error)

    def _give_back(self, plan: TrainingPlan) -> None:
        """Count the labels of a training that came to nothing as new: the next one takes them."""
        with self._records.write() as tx:
            project_rows.add_counts(
                tx, plan.project.id, {"labels_since_training": plan.snapshot.consumed}
            )

    def _parent_weights(self, plan: TrainingPlan) -> Path | None:
        if plan.parent is None:
            return None
        return self._models.ref(plan.project, plan.parent).weights


def _checked(params: Mapping[str, Json]) -> dict[str, Json]:
    problems = [
        f"there is no parameter {name!r}; there are {', '.join(sorted(_PARAMS))}"
        for name in params
        if name not in _PARAMS
    ]
    for name, kind in _PARAMS.items():
        value = params.get(name)
        if value is None:
            continue
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            problems.append(f"{name} is {value!r}, which is of the wrong type")
        elif name == "effort" and isinstance(value, int | float) and not 0 < value <= 4:
            problems.append(f"effort is {value}; take a number above 0 and at most 4")
    if problems:
        raise InvalidRequest(
            f"A training cannot be asked for so: {'; '.join(problems)}.", problems=problems
        )
    return {name: value for name, value in params.items() if value is not None}
