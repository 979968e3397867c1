"""One training job from its labels to a recorded, decided version."""

from __future__ import annotations

import importlib.metadata
import logging
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limner.engine import CaseSource, Engine, ModelRef
from limner.errors import Conflict, EngineError
from limner.loop.candidates import Candidate, Folded, FoldModel, Whole
from limner.loop.crossvalidation import EFFORT, FEWEST_VALIDATION, crossvalidation_folds
from limner.loop.gate import Decision, decide, refused_if_collapsed
from limner.loop.job_run import JobRun
from limner.loop.models import Models, model_key
from limner.loop.plain import plain
from limner.loop.projects import Projects
from limner.loop.seeds import derived_seed
from limner.loop.serving_scores import ServingScores, cases_digest, evaluation_json, headline
from limner.loop.training_plan import TrainingPlan
from limner.loop.training_set import case_sources
from limner.loop.training_work import TrainingWork
from limner.plugin import Evaluation, Json, PluginError, Trained, Watch
from limner.records import audit
from limner.records import models as model_rows
from limner.records.database import Records
from limner.records.rows import ModelState, ModelVersion
from limner.stores.blobs import Blob, Blobs

log = logging.getLogger(__name__)

_MOST_COMPARISONS = 5
_UNMEASURED = Evaluation(measure="", case_scores={}, class_scores={})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """What speaks for a training, and on which cases."""

    candidate: Candidate
    cases: Sequence[CaseSource]
    why_folds: str = ""
    """Why the folds of a cross-validation speak for it; empty where it speaks for itself."""

    @property
    def method(self) -> str:
        """How decisions call it."""
        return "cross-validation" if self.why_folds else "validation"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """A decision, and the scores of the candidate that it stands on."""

    decision: Decision
    evaluation: Evaluation | None
    evidence: _Evidence
    cases: Sequence[CaseSource]
    """Those of the evidence that it was measured on."""
    serving: ModelVersion | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """What a training needs of the server."""

    records: Records
    projects: Projects
    models: Models
    engine: Engine
    blobs: Blobs
    scores: ServingScores
    clock: Callable[[], float]

    def run(self, run: JobRun, plan: TrainingPlan, work: TrainingWork) -> Mapping[str, Json]:
        """Train, measure, decide and record.

        Raises:
            Stopped: The job is to end; what was done is found again when it goes on.
            LimnerError: It failed.
        """
        with self.records.read() as tx:
            done = model_rows.of_job(tx, run.job.id)
        if done is not None:
            return _result(done)  # the server ended between the record and the end of the job
        cases = self._cases(plan)
        evidence = None
        if plan.cross_validates:
            evidence = self._cross_validate(run, plan, work, cases, _why_few(plan), end=0.45)
        trained = self._train(run, plan, work, cases)
        weights = self.blobs.put_file(trained.weights)
        ref = ModelRef(
            app=plan.project.app,
            key=model_key(plan.project.app, weights.sha256, plan.schema, plan.options),
            weights=weights.path,
            schema=plan.schema,
            options=plan.options,
        )
        final = Whole(self.engine, ref)
        if plan.is_untested:
            evidence = _Evidence(candidate=final, cases=())
        elif evidence is None:
            evidence = self._validate(run, plan, work, cases, final)
        for _ in range(_MOST_COMPARISONS):
            judged = self._judge(run, plan, evidence, final)
            if judged.decision.promotes:
                self._warm(ref)
            run.check()
            version = self._record(run, plan, trained, weights, judged)
            if version is not None:
                return _result(version)
        raise Conflict(
            "Another version was promoted by hand each time this one was to be compared; it is not "
            "recorded. Train again when that has settled."
        )

    def _cases(self, plan: TrainingPlan) -> dict[int, CaseSource]:
        wanted = [*plan.snapshot.train, *plan.snapshot.validation]
        with self.records.read() as tx:
            known = () if plan.parent is None else model_rows.trained_on(tx, plan.parent.id)
            cases = case_sources(
                tx, plan.project, wanted, projects=self.projects, blobs=self.blobs, known=known
            )
        if not any(label in cases for label in plan.snapshot.learnt):
            raise Conflict(
                f"Every image that project {plan.project.name} has labels of has vanished or "
                "cannot be read; there is nothing to learn from."
            )
        return cases

    def _train(
        self,
        run: JobRun,
        plan: TrainingPlan,
        work: TrainingWork,
        cases: Mapping[int, CaseSource],
    ) -> Trained:
        begin, end = (0.45, 0.95) if plan.cross_validates else (0.0, 0.9)
        return work.train(
            "final",
            [cases[each] for each in plan.snapshot.learnt if each in cases],
            [cases[each] for each in plan.snapshot.measured if each in cases],
            run.stage(begin, end, "training"),
            effort=plan.effort,
            seed=plan.seed,
        )

    def _cross_validate(
        self,
        run: JobRun,
        plan: TrainingPlan,
        work: TrainingWork,
        cases: Mapping[int, CaseSource],
        why: str,
        *,
        begin: float = 0.0,
        end: float,
    ) -> _Evidence:
        """Train on parts of the labels, within two fractions of the job's time."""
        with self.records.read() as tx:
            serving = model_rows.serving(tx, plan.project.id)
            seen = set() if serving is None else set(model_rows.trained_on(tx, serving.id).values())
        unseen = [label for label, case in cases.items() if int(case.id) not in seen]
        folds = crossvalidation_folds(
            list(cases), derived_seed(plan.seed, "folds"), hold_out=unseen or None
        )
        made, held_out = [], []
        for number, fold in enumerate(folds, start=1):
            stage = run.stage(
                begin + (end - begin) * (number - 1) / len(folds),
                begin + (end - begin) * number / len(folds),
                f"cross-validation {number} of {len(folds)}",
            )
            trained = work.train(
                f"fold-{number}",
                [cases[each] for each in fold.train],
                [],
                stage,
                effort=EFFORT * plan.effort,
                seed=derived_seed(plan.seed, "fold", number),
                # A parent that has seen the cases held out would know them.
                from_parent=bool(unseen),
            )
            mine = [cases[each] for each in fold.held_out]
            made.append(FoldModel(work.model(trained), frozenset(case.id for case in mine)))
            held_out += mine
        return _Evidence(candidate=Folded(self.engine, made), cases=held_out, why_folds=why)

    def _validate(
        self,
        run: JobRun,
        plan: TrainingPlan,
        work: TrainingWork,
        cases: Mapping[int, CaseSource],
        final: Whole,
    ) -> _Evidence:
        """Let the version speak for itself, unless the validation set cannot tell how it is."""
        held_out = [cases[each] for each in plan.snapshot.measured if each in cases]
        measured = final.measure(held_out, run.stage(0.9, 0.91, "looking at the validation set"))
        if measured is None or not measured.is_one_sided:
            return _Evidence(candidate=final, cases=held_out)
        why = f"the {len(held_out)} validation cases cannot tell better from worse"
        return self._cross_validate(run, plan, work, cases, why, begin=0.91, end=0.95)

    def _judge(
        self,
        run: JobRun,
        plan: TrainingPlan,
        evidence: _Evidence,
        final: Whole,
    ) -> _Judged:
        """Compare with the version that serves now, on cases that neither has learnt from."""
        cases = evidence.cases
        notes = [_folds_note(evidence)] if evidence.why_folds else []
        watch = run.stage(0.95, 1.0, "measuring")
        with self.records.read() as tx:
            serving = model_rows.serving(tx, plan.project.id)
            seen = set() if serving is None else set(model_rows.trained_on(tx, serving.id).values())
        fair = [case for case in cases if int(case.id) not in seen]
        fewest = 1 if evidence.why_folds else FEWEST_VALIDATION
        if len(fair) < min(fewest, len(cases)) or not fair:
            fair = list(cases)
            if serving is not None and cases:
                notes.append(
                    f"Version {serving.number} was trained on some of these cases, so the "
                    "comparison favours it."
                )
        mine = evidence.candidate.measure(fair, watch)
        theirs = None
        if plan.is_untested:
            notes.append("It was not measured, as was asked for.")
            theirs = None if serving is None else _UNMEASURED
        elif serving is not None and not _has_same_classes(serving, plan):
            notes.append(
                f"The classes have changed since version {serving.number} was trained, so their "
                "scores cannot be compared."
            )
        elif serving is not None:
            theirs = self._serving_scores(plan, serving, fair, watch)
        decision = decide(
            mine,
            theirs,
            plan.settings.gate,
            derived_seed(plan.seed, "gate"),
            method="none" if mine is None else evidence.method,
            compared_with=None if theirs is None or serving is None else serving.number,
            notes=notes,
        )
        if evidence.why_folds and decision.promotes and cases:
            # The folds speak for the training; whether this run of it collapsed, only it can say.
            decision = refused_if_collapsed(decision, final.measure(cases, watch))
        return _Judged(
            decision=decision, evaluation=mine, evidence=evidence, cases=fair, serving=serving
        )

    def _serving_scores(
        self,
        plan: TrainingPlan,
        serving: ModelVersion,
        cases: Sequence[CaseSource],
        watch: Watch,
    ) -> Evaluation:
        if not cases:
            return _UNMEASURED
        return self.scores.measure(serving, self.models.ref(plan.project, serving), cases, watch)

    def _warm(self, ref: ModelRef) -> None:
        try:
            self.engine.warm(ref)
        except (EngineError, PluginError) as error:
            log.warning("the new version was not warmed before it serves: %s", error)

    def _record(
        self,
        run: JobRun,
        plan: TrainingPlan,
        trained: Trained,
        weights: Blob,
        judged: _Judged,
    ) -> ModelVersion | None:
        """Record the version and let it serve if it may; None when another serves meanwhile."""
        now = self.clock()
        compared_id = None if judged.serving is None else judged.serving.id
        with self.records.write() as tx:
            project = self.projects.numbered(tx, plan.project.id, to_change=True)
            if project.serving_model_id != compared_id:
                return None
            version = model_rows.add(
                tx,
                project_id=project.id,
                parent_id=None if plan.parent is None else plan.parent.id,
                job_id=run.job.id,
                app=project.app,
                app_version=plan.manifest.version,
                state=ModelState.REFUSED.value,
                pinned=False,
                weights_sha256=weights.sha256,
                weights_bytes=weights.size_bytes,
                seed=trained.seed,
                plan=plain(trained.plan),
                options=dict(plan.options),
                metrics=_metrics(plan, trained, judged),
                decision=plain(judged.decision.as_json()),
                libraries=_libraries(trained),
                notes=[f"Trained {plan.start}.", *trained.notes],
                label_count=len(plan.snapshot.learnt),
                created_at=now,
            )
            model_rows.add_labels(tx, version.id, _roles(plan))
            if judged.decision.promotes:
                version = model_rows.set_serving(tx, project.id, version.id, at=now)
                self.models.audit_promotion(
                    tx, project, version, actor=audit.SERVER, before=judged.serving
                )
        log.info(
            "%s: version %d %s: %s",
            project.name,
            version.number,
            version.state,
            judged.decision.reason,
        )
        self.models.announce(project, version)
        return version


def _result(version: ModelVersion) -> dict[str, Json]:
    outcome = version.decision.get("outcome", "")
    return {
        "version": version.number,
        "outcome": "promoted" if outcome == "promote" else "refused",
        "score": version.metrics.get("score"),
        "labels": version.label_count,
        "reason": version.decision.get("reason", ""),
    }


def _metrics(plan: TrainingPlan, trained: Trained, judged: _Judged) -> dict[str, Any]:
    metrics = {
        **headline(judged.evaluation, judged.evidence.method),
        "training": plain(trained.metrics),
        "steps": trained.steps,
        "classes": plan.classes,
        "multi_label": not plan.schema.exclusive,
    }
    if judged.evaluation is not None and not judged.evidence.why_folds:
        # Scores of folds are not this version's own, so they are not kept as such.
        digest = cases_digest(judged.cases)
        metrics["evaluation"] = evaluation_json(judged.evaluation, digest)
    return metrics


def _has_same_classes(version: ModelVersion, plan: TrainingPlan) -> bool:
    classes = version.metrics.get("classes", plan.classes)
    is_exclusive = not version.metrics.get("multi_label", False)
    return classes == plan.classes and is_exclusive == plan.schema.exclusive


def _roles(plan: TrainingPlan) -> dict[int, str]:
    roles = dict.fromkeys(plan.snapshot.measured, model_rows.VALIDATION)
    return {**roles, **dict.fromkeys(plan.snapshot.learnt, model_rows.TRAIN)}


def _why_few(plan: TrainingPlan) -> str:
    labels = len(plan.snapshot.train) + len(plan.snapshot.validation)
    return f"labels are few ({labels}, {len(plan.snapshot.validation)} of them for validation)"


def _folds_note(evidence: _Evidence) -> str:
    if not evidence.cases:
        why = evidence.why_folds
        return f"Not cross-validated, though {why}: nothing would be left to learn from."
    return (
        f"By cross-validation, because {evidence.why_folds}: the scores are those of the same "
        f"training at half its length on part of the labels, for {len(evidence.cases)} labels that "
        "it did not see."
    )


def _libraries(trained: Trained) -> dict[str, str]:
    return {
        "limner": importlib.metadata.version("limner"),
        "python": platform.python_version(),
        **{str(name): str(version) for name, version in trained.libraries.items()},
    }
