"""Which labels each model of a review judges: fixed once and kept in its job."""

from __future__ import annotations

import json
from collections.abc import Sequence

from limner.errors import LimnerError
from limner.images.class_labels import chosen, read_class_label
from limner.loop.job_run import JobRun
from limner.loop.projects import Projects
from limner.loop.suspects import review_folds
from limner.loop.training_plan import TrainingPlan
from limner.plugin import Task
from limner.records import jobs as job_rows
from limner.records import training_labels
from limner.records.database import Records
from limner.stores.blobs import Blobs

HELD_OUT = "_held_out"
"""Name under which a job's parameters keep the label ids of each fold; not shown to clients."""


def held_out(
    run: JobRun,
    records: Records,
    projects: Projects,
    blobs: Blobs,
    plan: TrainingPlan,
    folds: int,
) -> Sequence[Sequence[int]]:
    """Return the label ids that each fold judges: those that the job has, or new ones it keeps.

    Empty where there are fewer labels than folds.

    Raises:
        Stopped: The job is to end.
    """
    with records.read() as tx:
        job = job_rows.find(tx, run.job.id) or run.job
    kept: Sequence[Sequence[int]] | None = job.params.get(HELD_OUT)
    if kept is not None:
        return kept
    labels = [*plan.snapshot.train, *plan.snapshot.validation]
    strata = dict.fromkeys(labels, "")
    if projects.task(plan.project) is Task.CLASSIFICATION:
        with records.read() as tx:
            files = [
                (label.id, label.sha256) for label, _ in training_labels.with_samples(tx, labels)
            ]
        for label_id, sha256 in files:
            run.check()
            strata[label_id] = _classes(blobs, sha256, projects, plan)
    if len(strata) < folds:
        return []
    split = review_folds(strata, folds, plan.seed)
    made = [list(each.held_out) for each in split]
    with records.write() as tx:
        fresh = job_rows.find(tx, run.job.id) or run.job
        job_rows.change(tx, run.job.id, params={**fresh.params, HELD_OUT: made})
    return made


def _classes(blobs: Blobs, sha256: str, projects: Projects, plan: TrainingPlan) -> str:
    """Return the classes of a label as one text; empty where they cannot be read."""
    try:
        label = read_class_label(blobs.path(sha256), plan.schema, projects.limits)
    except LimnerError:
        return ""  # it is told when it comes to be judged
    return json.dumps(sorted(chosen(label, plan.schema)))
