"""Trials: what the labels of each arm of a strategy bought, measured on the validation set.

Of the labels since the last trial as many of each arm are drawn. For each arm a model is trained
from scratch by the project's own app and options on every training label but those of that arm, and
measured on the validation set. All lack equally many labels, so what differs is which; `gains` says
what follows from it. The models are let go afterwards.

A trial follows a finished training where the project's strategy wants to know (`Need.BOUGHT`), its
picks have arms, and there are enough labels of them and a validation set. It costs a training for
each arm, makes room for other work and goes on from its finished models. To have none, take another
strategy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from limner.engine import Engine
from limner.errors import Conflict
from limner.loop.gains import differences
from limner.loop.gate import TRIVIAL_SCORE, weighted_mean
from limner.loop.job_run import JobRun
from limner.loop.jobs import Handler, Jobs
from limner.loop.projects import Projects
from limner.loop.seeds import derived_seed
from limner.loop.training_plan import TrainingPlan, from_scratch
from limner.loop.training_set import Snapshot, case_sources
from limner.loop.training_work import TrainingWork, workspace
from limner.loop.trial_plan import TrialPlan, kept_plan, planned
from limner.plugin import CONTROL_ARM, Ability, Evaluation, Json, Need
from limner.records import trials as trial_rows
from limner.records.database import Records
from limner.records.rows import ArmTrial, JobKind, Project
from limner.registry import Registry
from limner.stores.blobs import Blobs

_ABILITIES = frozenset({Ability.TRAIN, Ability.EVALUATE})


class Trials:
    """Does trials. Safe to use from any thread, but never inside a write."""

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
            jobs: Where trials queue.
            engine: What trains and measures.
            blobs: Holds the labels.
            registry: Knows what strategies want to know, and what an app can do.
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
        """Return what does trials."""
        return {JobKind.TRIAL: self._trial}

    def consider(self, project: Project) -> None:
        """Queue a trial where one would tell something that the project's strategy wants to know.

        Raises:
            LimnerError: The project's app or strategy is not there.
        """
        settings = self._projects.settings(project)
        if Need.BOUGHT not in self._registry.strategy(settings.strategy).needs:
            return
        if not self._registry.app(project.app).abilities >= _ABILITIES:
            return
        with self._records.read() as tx:
            plan = planned(tx, project, settings.seed)
        if plan is not None:
            self._jobs.ensure(project.id, JobKind.TRIAL)

    def _trial(self, run: JobRun) -> Mapping[str, Json]:
        project = self._projects.of_id(run.project_id)
        with self._records.read() as tx:
            found = trial_rows.of_job(tx, project.id, run.job.id)
        if found:  # the server ended between the record and the end of the job
            return self._result(project, found)
        settings = self._projects.settings(project)
        trial = kept_plan(run, self._records, project, settings.seed)
        if trial is None:
            raise Conflict(
                f"Project {project.name} has too few labels of several arms since its last trial."
            )
        plan = self._plan(project, trial)
        with workspace(run, self._records, self._engine, plan, self._work) as work:
            measured = self._measured(run, plan, trial, work)
            found = self._record(run, project, trial, measured)
        return self._result(project, found)

    def _plan(self, project: Project, trial: TrialPlan) -> TrainingPlan:
        """Return what every model of the trial is trained by."""
        return from_scratch(
            project,
            self._projects,
            self._registry,
            Snapshot(train=trial.train, validation=trial.validation, consumed=0),
            why="what serves has learnt from the labels that are left out",
            effort=1.0,
            seed=derived_seed(self._projects.settings(project).seed, "trial", trial.newest),
        )

    def _measured(
        self, run: JobRun, plan: TrainingPlan, trial: TrialPlan, work: TrainingWork
    ) -> dict[str, Evaluation]:
        """Return by arm how the model does that lacks its labels."""
        wanted = [*trial.train, *trial.validation]
        with self._records.read() as tx:
            cases = case_sources(
                tx, plan.project, wanted, projects=self._projects, blobs=self._blobs
            )
        held_out = [cases[each] for each in trial.validation if each in cases]
        arms = list(trial.left_out)
        measured = {}
        for number, arm in enumerate(arms):
            begin, end = number / len(arms), (number + 1) / len(arms)
            middle = begin + 0.9 * (end - begin)
            of = f"{number + 1} of {len(arms)}"
            trained = work.train(
                f"without-{number}",
                [cases[each] for each in trial.learnt_without(arm) if each in cases],
                [],  # no model sees what it is measured on
                run.stage(begin, middle, f"training {of}"),
                effort=plan.effort,
                seed=plan.seed,  # the same for all, so that chance starts them alike
                from_parent=False,
            )
            watch = run.stage(middle, end, f"measuring {of}")
            measured[arm] = self._engine.evaluate(work.model(trained), held_out, watch)
            _check(arm, measured[arm])
        return measured

    def _record(
        self,
        run: JobRun,
        project: Project,
        trial: TrialPlan,
        measured: Mapping[str, Evaluation],
    ) -> list[ArmTrial]:
        run.check()
        control = measured[CONTROL_ARM]
        rows = [
            ArmTrial(
                project_id=project.id,
                job_id=run.job.id,
                arm=arm,
                labels=len(trial.left_out[arm]),
                measure=evaluation.measure,
                differences=differences(control, evaluation),
                newest_label_id=trial.newest,
                created_at=self._clock(),
            )
            for arm, evaluation in measured.items()
            if arm != CONTROL_ARM
        ]
        with self._records.write() as tx:
            trial_rows.add(tx, rows)
        return rows

    def _result(self, project: Project, found: list[ArmTrial]) -> Mapping[str, Json]:
        """Have the strategy pick anew, now that more is known, and say what was found."""
        self._jobs.ensure(project.id, JobKind.SCORE)
        return {
            "labels": found[0].labels,
            "measure": found[0].measure,
            "gains": {
                each.arm: math.fsum(each.differences.values()) / len(each.differences)
                for each in found
            },
        }


def _check(arm: str, evaluation: Evaluation) -> None:
    """Refuse a model whose scores say nothing of its labels.

    Raises:
        Conflict: It has learnt nothing, or the validation set cannot tell how good it is.
    """
    scores = evaluation.case_scores
    trivial = max(TRIVIAL_SCORE, evaluation.chance)
    if not scores or not all(math.isfinite(score) for score in scores.values()):
        why = "some of its scores are no numbers"
    elif weighted_mean(scores, evaluation.case_weights) <= trivial:
        why = f"its mean {evaluation.measure} is not above {trivial:.3g}"
    elif evaluation.is_one_sided:
        why = f"the {len(scores)} validation cases cannot tell better from worse"
    else:
        return
    raise Conflict(
        f"The trial compares nothing: of the model without labels of {arm!r}, {why}. The next "
        "training asks for another one."
    )
