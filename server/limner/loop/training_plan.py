"""What a training is to do: fixed once and kept in its job, so one that goes on does the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from limner.errors import Conflict
from limner.loop.crossvalidation import is_needed
from limner.loop.job_run import JobRun
from limner.loop.lineage import start_from, wanted_version
from limner.loop.plain import plain
from limner.loop.projects import Projects
from limner.loop.seeds import derived_seed
from limner.loop.training_set import Snapshot
from limner.plugin import AppManifest, Json, LabelSchema
from limner.records import jobs as job_rows
from limner.records import models as model_rows
from limner.records import projects as project_rows
from limner.records import training_labels
from limner.records.database import Records
from limner.records.rows import ModelVersion, Project
from limner.registry import Registry
from limner.settings import ProjectSettings

PLAN = "_plan"
"""Name under which a job's parameters keep the plan; not shown to clients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """Everything that decides a training."""

    project: Project
    settings: ProjectSettings
    schema: LabelSchema
    manifest: AppManifest
    options: Mapping[str, Json]
    snapshot: Snapshot
    parent: ModelVersion | None
    start: str
    """From where it starts and why, in words."""
    effort: float
    seed: int
    is_untested: bool = False
    """Whether nobody wants to know how good it is."""

    @property
    def cross_validates(self) -> bool:
        """Whether labels are too few for a test on the validation set."""
        few = is_needed(self.snapshot.train, self.snapshot.validation)
        return few and not self.is_untested

    @property
    def classes(self) -> dict[str, int]:
        """The schema as a version keeps it."""
        return {each.name: each.value for each in self.schema.classes}


def prepare(run: JobRun, records: Records, projects: Projects, registry: Registry) -> TrainingPlan:
    """Return the plan of a training job: the one it has, or a new one that it keeps from now on.

    Raises:
        Conflict: There is no label to learn from.
        NotFound: The project or its app is not there any more.
    """
    project = projects.of_id(run.project_id)
    manifest = registry.app(project.app)
    options = plain(projects.app_options(project))
    schema = projects.schema(project)
    with records.write() as tx:
        job = job_rows.find(tx, run.job.id) or run.job
        kept = job.params.get(PLAN)
        if kept is None:
            project = projects.numbered(tx, project.id, to_change=True)
            wanted = wanted_version(project.app, manifest.version, options, schema)
            kept = _new_plan(tx, project, projects.settings(project), job.params, wanted)
            job_rows.change(tx, job.id, params={**job.params, PLAN: kept})
            project_rows.change(
                tx, project.id, labels_since_training=0
            )  # those that come from now on wait for the next round
        parent = None if kept["parent"] is None else model_rows.find(tx, kept["parent"])
    if parent is not None and parent.weights_sha256 is None:
        parent = None
    return TrainingPlan(
        project=project,
        settings=projects.settings(project),
        schema=schema,
        manifest=manifest,
        options=options,
        snapshot=Snapshot.from_json(kept["labels"]),
        parent=parent,
        start=kept["start"],
        effort=float(job.params.get("effort", 1.0)),
        seed=int(kept["seed"]),
        is_untested=bool(job.params.get("untested", False)),
    )


def from_scratch(
    project: Project,
    projects: Projects,
    registry: Registry,
    snapshot: Snapshot,
    *,
    why: str,
    effort: float,
    seed: int,
) -> TrainingPlan:
    """Return the plan of models that are let go again, by the project's own app and options.

    Raises:
        NotFound: The project's app is not there any more.
    """
    return TrainingPlan(
        project=project,
        settings=projects.settings(project),
        schema=projects.schema(project),
        manifest=registry.app(project.app),
        options=plain(projects.app_options(project)),
        snapshot=snapshot,
        parent=None,
        start=f"from scratch: {why}",
        effort=effort,
        seed=seed,
    )


def _new_plan(
    tx: Connection,
    project: Project,
    settings: ProjectSettings,
    params: Mapping[str, Any],
    wanted: Mapping[str, Any],
) -> dict[str, Any]:
    snapshot = Snapshot.take(tx, project)
    if not snapshot.learnt:
        raise Conflict(
            f"Project {project.name} has no submitted label to learn from; submit at least one."
        )
    if params.get("from_scratch"):
        parent, start = None, "from scratch: somebody asked for it"
    else:
        serving = model_rows.serving(tx, project.id)
        parent, start = start_from(
            serving,
            newest=model_rows.newest(tx, project.id),
            newest_from_scratch=model_rows.newest_from_scratch(tx, project.id),
            label_count=len(snapshot.learnt),
            wanted=wanted,
            saw_validation=serving is not None and _has_seen(tx, serving, snapshot),
        )
    number = model_rows.next_number(tx, project.id)
    return {
        "labels": snapshot.as_json(),
        "parent": None if parent is None else parent.id,
        "start": start,
        "seed": derived_seed(settings.seed, "train", number),
    }


def _has_seen(tx: Connection, version: ModelVersion, snapshot: Snapshot) -> bool:
    """Tell whether a version was trained on a sample that is validation data now."""
    seen = set(model_rows.trained_on(tx, version.id).values())
    found = training_labels.with_samples(tx, snapshot.measured)
    return any(sample.id in seen for _, sample in found)
