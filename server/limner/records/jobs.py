"""Queries on jobs. Every function runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, update

from limner.records.rows import Job, JobKind, JobState
from limner.records.tables import jobs

OPEN = (JobState.QUEUED, JobState.RUNNING)
"""States of a job that is not finished."""


def add(
    tx: Connection,
    *,
    project_id: int,
    kind: JobKind,
    priority: int,
    params: Mapping[str, Any],
    at: float,
) -> Job:
    """Record a job that waits."""
    values = {
        "project_id": project_id,
        "kind": kind.value,
        "state": JobState.QUEUED.value,
        "priority": priority,
        "params": dict(params),
        "result": {},
        "progress": {},
        "error": None,
        "cancel_requested": False,
        "attempts": 0,
        "created_at": at,
    }
    row = tx.execute(insert(jobs).values(**values).returning(*jobs.c)).one()
    return Job(**row._mapping)


def find(tx: Connection, job_id: int) -> Job | None:
    """Return a job by its id."""
    row = tx.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    return None if row is None else Job(**row._mapping)


def change(tx: Connection, job_id: int, **values: Any) -> Job:
    """Set columns of a job that exists and return it as it is now."""
    row = tx.execute(
        update(jobs).where(jobs.c.id == job_id).values(**values).returning(*jobs.c)
    ).one()
    return Job(**row._mapping)


def page(tx: Connection, project_id: int, *, before: int | None, limit: int) -> list[Job]:
    """List a project's jobs, newest first, those with an id below `before`."""
    query = select(jobs).where(jobs.c.project_id == project_id)
    if before is not None:
        query = query.where(jobs.c.id < before)
    rows = tx.execute(query.order_by(jobs.c.id.desc()).limit(limit))
    return [Job(**row._mapping) for row in rows]


def waiting(tx: Connection, project_id: int, kind: JobKind) -> Job | None:
    """Return the job of this kind that waits and has not taken up its work, if there is one.

    A training, review or trial that was interrupted waits too, but has its labels fixed already: it
    cannot stand in for a new one.
    """
    query = select(jobs).where(
        jobs.c.project_id == project_id,
        jobs.c.kind == kind.value,
        jobs.c.state == JobState.QUEUED.value,
    )
    if kind in (JobKind.TRAIN, JobKind.REVIEW, JobKind.TRIAL):
        query = query.where(jobs.c.started_at.is_(None))
    row = tx.execute(query.order_by(jobs.c.id).limit(1)).one_or_none()
    return None if row is None else Job(**row._mapping)


def unfinished(
    tx: Connection, *, project_id: int | None = None, kind: JobKind | None = None
) -> list[Job]:
    """List the jobs that wait or run, oldest first."""
    query = select(jobs).where(jobs.c.state.in_([each.value for each in OPEN]))
    if project_id is not None:
        query = query.where(jobs.c.project_id == project_id)
    if kind is not None:
        query = query.where(jobs.c.kind == kind.value)
    return [Job(**row._mapping) for row in tx.execute(query.order_by(jobs.c.id))]


def newest(tx: Connection, project_id: int, kind: JobKind) -> Job | None:
    """Return the job of this kind that was asked for last, whatever its state."""
    row = tx.execute(
        select(jobs)
        .where(jobs.c.project_id == project_id, jobs.c.kind == kind.value)
        .order_by(jobs.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Job(**row._mapping)


def next_in_line(tx: Connection) -> Job | None:
    """Return the waiting job that is to run next: the most urgent, then the oldest."""
    row = tx.execute(
        select(jobs)
        .where(jobs.c.state == JobState.QUEUED.value)
        .order_by(jobs.c.priority.desc(), jobs.c.id)
        .limit(1)
    ).one_or_none()
    return None if row is None else Job(**row._mapping)


def left_running(tx: Connection) -> Sequence[Job]:
    """List the jobs that say they run; when the server starts, none of them does."""
    rows = tx.execute(select(jobs).where(jobs.c.state == JobState.RUNNING.value))
    return [Job(**row._mapping) for row in rows]
