"""Queries on arms and their trials. Every function runs inside the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, func, insert, literal_column, select

from limner.records.rows import ArmTrial, AssignmentState, SampleState
from limner.records.tables import assignments, labels, samples, trials

_HAS_ARM = assignments.c.arm != literal_column("''")  # as the partial index says it
_PRESENT = (SampleState.READY.value, SampleState.LABELLED.value)


def add(tx: Connection, found: Sequence[ArmTrial]) -> None:
    """Record what a trial found."""
    tx.execute(insert(trials), [asdict(each) for each in found])


def of_job(tx: Connection, project_id: int, job_id: int) -> list[ArmTrial]:
    """Return what the trial of a job found; empty where it has not ended."""
    rows = tx.execute(
        select(trials)
        .where(trials.c.project_id == project_id, trials.c.job_id == job_id)
        .order_by(trials.c.arm)
    )
    return [ArmTrial(**row._mapping) for row in rows]


def newest(tx: Connection, project_id: int, *, limit: int) -> list[ArmTrial]:
    """List what trials found, newest first, so many at most of each arm."""
    place = func.row_number().over(partition_by=trials.c.arm, order_by=trials.c.job_id.desc())
    numbered = select(trials, place.label("place")).where(trials.c.project_id == project_id)
    found = numbered.subquery()
    rows = tx.execute(
        select(*(found.c[each.name] for each in trials.c))
        .where(found.c.place <= limit)
        .order_by(found.c.job_id.desc(), found.c.arm)
    )
    return [ArmTrial(**row._mapping) for row in rows]


def newest_label(tx: Connection, project_id: int) -> int:
    """Return the newest label that the trials so far have had before them; 0 without a trial."""
    query = select(trials.c.newest_label_id).where(trials.c.project_id == project_id)
    return tx.execute(query.order_by(trials.c.job_id.desc()).limit(1)).scalar() or 0


def labels_by_arm(tx: Connection, project_id: int, *, after: int) -> dict[str, list[int]]:
    """Return by arm the ids of the labels that its picks brought and that models learn from.

    Args:
        tx: The transaction.
        project_id: Whose labels.
        after: Only those beyond this label id.
    """
    rows = tx.execute(
        select(labels.c.id, assignments.c.arm)
        .join(assignments, assignments.c.id == labels.c.assignment_id)
        .join(samples, samples.c.id == labels.c.sample_id)
        .where(
            labels.c.project_id == project_id,
            labels.c.id > after,
            _HAS_ARM,
            samples.c.label_id == labels.c.id,
            samples.c.is_validation.is_(False),
            samples.c.state.in_(_PRESENT),
        )
        .order_by(labels.c.id)
    )
    found: defaultdict[str, list[int]] = defaultdict(list)
    for label_id, arm in rows:
        found[arm].append(label_id)
    return dict(found)


def counts(tx: Connection, project_id: int) -> dict[str, int]:
    """Return by arm how many of its picks were labelled."""
    rows = tx.execute(
        select(assignments.c.arm, func.count().label("labels"))
        .where(
            assignments.c.project_id == project_id,
            _HAS_ARM,
            assignments.c.state == AssignmentState.DONE.value,
        )
        .group_by(assignments.c.arm)
    )
    return {row.arm: row.labels for row in rows}
