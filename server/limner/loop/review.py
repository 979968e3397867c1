"""Review: looks for labels that may be wrong, by models that have not learnt from them.

The labels are split into folds. For each, a model is trained from scratch on the others by the
project's own app and options, and says what it thinks of the labels held out. So every label is
judged out of sample, those of the validation set too. The models are let go afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from limner.engine import Engine
from limner.errors import Conflict, InvalidRequest
from limner.loop.job_run import JobRun
from limner.loop.jobs import Handler, Jobs
from limner.loop.plain import plain
from limner.loop.projects import Projects
from limner.loop.review_plan import held_out
from limner.loop.review_run import ReviewRun
from limner.loop.seeds import derived_seed
from limner.loop.suspects import Finding
from limner.loop.training_plan import TrainingPlan, from_scratch
from limner.loop.training_set import Snapshot, case_sources
from limner.loop.training_work import TrainingWork, workspace
from limner.plugin import Ability, Json
from limner.records import audit, training_labels
from limner.records import labels as label_rows
from limner.records import suspects as suspect_rows
from limner.records.database import Records
from limner.records.rows import Job, JobKind, Project, Suspect
from limner.registry import Registry
from limner.stores.blobs import Blobs

FOLDS = 3
"""How many models a review trains where nothing else is asked."""
MOST_FOLDS = 10
LABELS_A_FOLD = 2
"""Below so many labels for each fold, the models know too little to judge anybody."""


class Review:
    """Does reviews. Safe to use from any thread, but never inside a write."""

    def __init__(
        self,
        records: Records,
        projects: Projects,
        jobs: Jobs,
        engine: Engine,
        blobs: Blobs,
        registry: Registry,
        work: Path,
        clock: Callable[[], float],
    ) -> None:
        """Wire.

        Args:
            records: The database.
            projects: The projects.
            jobs: Where reviews queue.
            engine: What trains and predicts.
            blobs: Holds the labels.
            registry: Knows what an app can do.
            work: Folder of workspaces, the same as that of trainings.
            clock: Seconds since 1970.
        """
        self._records = records
        self._projects = projects
        self._jobs = jobs
        self._engine = engine
        self._blobs = blobs
        self._registry = registry
        self._work = work
        self._clock = clock

    def handlers(self) -> Mapping[JobKind, Handler]:
        """Return what does reviews."""
        return {JobKind.REVIEW: self._review}

    def request(self, project: str, actor: str, params: Mapping[str, Json] | None = None) -> Job:
        """Queue a review because somebody asks.

        Args:
            project: The project's name.
            actor: Who asks.
            params: `folds` (2 to 10) for the number of models; `effort` (number above 0, at most 4)
                for a fraction of the usual number of steps of each.

        Raises:
            NotFound: There is no such project, or its app is not there.
            Conflict: There are too few labels, or the app cannot train.
            InvalidRequest: A parameter is unknown or does not fit.
        """
        wishes = _checked(params or {})
        folds = int(wishes["folds"])
        with self._records.read() as tx:
            found = self._projects.named(tx, project)
            labels = len(label_rows.current(tx, found.id, limit=LABELS_A_FOLD * folds))
        if Ability.TRAIN not in self._registry.app(found.app).abilities:
            raise Conflict(f"App {found.app!r} of project {project} cannot train, so no review.")
        _check_enough(project, labels, folds)
        job = self._jobs.ensure(found.id, JobKind.REVIEW, wishes)
        with self._records.write() as tx:
            audit.write(
                tx,
                at=self._clock(),
                project_id=found.id,
                actor=actor,
                action="review.requested",
                subject=f"job:{job.id}",
                details=dict(wishes),
            )
        return job

    def _review(self, run: JobRun) -> Mapping[str, Json]:
        plan = self._plan(run)
        with workspace(run, self._records, self._engine, plan, self._work) as work:
            return self._judge(run, plan, work)

    def _plan(self, run: JobRun) -> TrainingPlan:
        """Return what every model of the review is trained by."""
        project = self._projects.of_id(run.project_id)
        with self._records.read() as tx:
            snapshot = Snapshot.take(tx, project)
        return from_scratch(
            project,
            self._projects,
            self._registry,
            snapshot,
            why="whoever judges a label must not have learnt from it",
            effort=float(run.job.params.get("effort", 1.0)),
            seed=derived_seed(self._projects.settings(project).seed, "review"),
        )

    def _judge(self, run: JobRun, plan: TrainingPlan, work: TrainingWork) -> Mapping[str, Json]:
        folds = int(run.job.params.get("folds", FOLDS))
        parts = held_out(run, self._records, self._projects, self._blobs, plan, folds)
        _check_enough(plan.project.name, sum(map(len, parts)), folds)
        every = [label for part in parts for label in part]
        with self._records.read() as tx:
            cases = case_sources(
                tx, plan.project, every, projects=self._projects, blobs=self._blobs
            )
        judging = ReviewRun(run, plan, work, cases, self._projects.task(plan.project))
        findings = judging.findings(parts)
        if not findings:
            why = next(iter(judging.failures.values()), "no image is at hand any more")
            raise Conflict(f"None of the {len(every)} labels could be judged: {why}")
        run.check()
        suspects = self._record(run, plan.project, findings)
        return {
            "folds": folds,
            "reviewed": len(findings),
            "suspects": suspects,
            "failed": judging.failed,
            "failures": dict(judging.failures),
        }

    def _record(self, run: JobRun, project: Project, findings: Mapping[int, Finding]) -> int:
        """Put the suspects in place of those of the review before; return how many there are."""
        now = self._clock()
        suspects = {label: each for label, each in findings.items() if each.is_suspect}
        with self._records.write() as tx:
            samples = {
                label.id: sample.id
                for label, sample in training_labels.with_samples(tx, list(suspects))
            }
            rows = [
                Suspect(
                    label_id=label,
                    project_id=project.id,
                    sample_id=samples[label],
                    score=each.score,
                    reason=each.reason[:500],
                    model_says=plain(each.model_says),
                    job_id=run.job.id,
                    created_at=now,
                )
                for label, each in suspects.items()
                if label in samples
            ]
            suspect_rows.replace(tx, project.id, rows)
        return len(rows)


def _check_enough(project: str, labels: int, folds: int) -> None:
    if labels < LABELS_A_FOLD * folds:
        raise Conflict(
            f"Project {project} has {labels} labels; a review in {folds} folds needs at least "
            f"{LABELS_A_FOLD * folds}. Label some more, or ask for fewer folds."
        )


def _checked(params: Mapping[str, Json]) -> dict[str, int | float]:
    """Return the wishes, defaults filled in."""
    unknown = sorted(set(params) - {"folds", "effort"})
    folds, effort = params.get("folds", FOLDS), params.get("effort", 1.0)
    problems = [f"there is no parameter {name!r}; there are effort, folds" for name in unknown]
    if not isinstance(folds, int) or isinstance(folds, bool) or not 2 <= folds <= MOST_FOLDS:
        problems.append(f"folds is {folds!r}; take a whole number from 2 to {MOST_FOLDS}")
    if not isinstance(effort, int | float) or isinstance(effort, bool) or not 0 < effort <= 4:
        problems.append(f"effort is {effort!r}; take a number above 0 and at most 4")
    if problems or not isinstance(folds, int) or not isinstance(effort, int | float):
        raise InvalidRequest(
            f"A review cannot be asked for so: {'; '.join(problems)}.", problems=problems
        )
    return {"folds": folds, "effort": effort}
