"""Queries on assignments and skips. Every function runs inside the caller's transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, bindparam, exists, func, insert, or_, select, update

from limner.records.availability import HELD, READY
from limner.records.rows import Assignment, AssignmentState
from limner.records.tables import assignments, samples, skips

_BY_ID = select(assignments).where(assignments.c.id == bindparam("id"))
_HELD_BY = (
    assignments.c.project_id == bindparam("project_id"),
    assignments.c.annotator == bindparam("annotator"),
    assignments.c.state == AssignmentState.HELD.value,
)
_HELD_COUNT = select(func.count()).select_from(assignments).where(*_HELD_BY)
_HELD_LIST = select(assignments).where(*_HELD_BY).order_by(assignments.c.id)
_HELD_LONGEST = _HELD_LIST.limit(1)
_HELD_ON = select(assignments).where(assignments.c.sample_id == bindparam("sample_id"), HELD)
_UNTIMELY = (
    select(assignments)
    .where(
        assignments.c.project_id == bindparam("project_id"),
        HELD,
        or_(
            assignments.c.expires_at <= bindparam("now"),
            assignments.c.expires_at > bindparam("latest"),
        ),
    )
    .order_by(assignments.c.expires_at)
    .limit(1000)
)
_INSERT = insert(assignments).returning(*assignments.c)
_CHANGE = (
    update(assignments).where(assignments.c.id == bindparam("row_id")).returning(*assignments.c)
)


def find(tx: Connection, assignment_id: int) -> Assignment | None:
    """Return an assignment by its id."""
    return _row(tx.execute(_BY_ID, {"id": assignment_id}).one_or_none())


def add(tx: Connection, **values: Any) -> Assignment:
    """Record an assignment; `values` are the columns without `id` and `ended_at`.

    The index on held slots refuses a second holder of the same slot, whoever writes.
    """
    return Assignment(**tx.execute(_INSERT, values).one()._mapping)


def change(tx: Connection, assignment_id: int, **values: Any) -> Assignment:
    """Set columns of an assignment that exists and return it as it is now."""
    row = tx.execute(_CHANGE, {"row_id": assignment_id, **values}).one()
    return Assignment(**row._mapping)


def held_count(tx: Connection, project_id: int, annotator: str) -> int:
    """Count what an annotator holds."""
    values = {"project_id": project_id, "annotator": annotator}
    return tx.execute(_HELD_COUNT, values).scalar_one()


def held_by(tx: Connection, project_id: int, annotator: str) -> list[Assignment]:
    """List what an annotator holds, oldest first."""
    values = {"project_id": project_id, "annotator": annotator}
    return [Assignment(**row._mapping) for row in tx.execute(_HELD_LIST, values)]


def held_longest(tx: Connection, project_id: int, annotator: str) -> Assignment | None:
    """Return what an annotator has held longest."""
    values = {"project_id": project_id, "annotator": annotator}
    row = tx.execute(_HELD_LONGEST, values).one_or_none()
    return None if row is None else Assignment(**row._mapping)


def held_on(tx: Connection, sample_id: int) -> list[Assignment]:
    """List who holds a sample."""
    rows = tx.execute(_HELD_ON, {"sample_id": sample_id})
    return [Assignment(**row._mapping) for row in rows]


def untimely(tx: Connection, project_id: int, *, now: float, latest: float) -> list[Assignment]:
    """List held assignments that are overdue, or that end later than any can.

    The latter come from a clock that was set back or a lease that was made shorter.
    """
    values = {"project_id": project_id, "now": now, "latest": latest}
    return [Assignment(**row._mapping) for row in tx.execute(_UNTIMELY, values)]


def held_in(tx: Connection, project_id: int) -> int:
    """Count what is held in a project."""
    query = select(func.count()).select_from(assignments)
    return tx.execute(query.where(assignments.c.project_id == project_id, HELD)).scalar_one()


def is_held_by_others(tx: Connection, project_id: int, annotator: str) -> bool:
    """Tell whether others hold samples that this annotator has not skipped."""
    skipped = exists().where(
        skips.c.sample_id == assignments.c.sample_id, skips.c.annotator == annotator
    )
    query = select(assignments.c.id).where(
        assignments.c.project_id == project_id,
        HELD,
        assignments.c.annotator != annotator,
        ~skipped,
    )
    return tx.execute(query.limit(1)).first() is not None


def skip(tx: Connection, assignment: Assignment, *, reason: str, at: float) -> bool:
    """Record that an annotator skips a sample; tell whether that is new."""
    known = tx.execute(
        select(skips.c.sample_id).where(
            skips.c.sample_id == assignment.sample_id, skips.c.annotator == assignment.annotator
        )
    ).first()
    if known is not None:
        return False
    tx.execute(
        insert(skips).values(
            sample_id=assignment.sample_id,
            annotator=assignment.annotator,
            project_id=assignment.project_id,
            reason=reason,
            created_at=at,
        )
    )
    return True


def forget_skips(tx: Connection, sample_id: int) -> None:
    """Forget who skipped a sample, so that it may be handed to anybody again."""
    tx.execute(skips.delete().where(skips.c.sample_id == sample_id))


def has_skipped(tx: Connection, project_id: int, annotator: str) -> bool:
    """Tell whether an annotator has skipped a sample that still waits for a label."""
    query = (
        select(skips.c.sample_id)
        .join(samples, samples.c.id == skips.c.sample_id)
        .where(
            skips.c.project_id == project_id,
            skips.c.annotator == annotator,
            READY,
        )
    )
    return tx.execute(query.limit(1)).first() is not None


def _row(row: Row[Any] | None) -> Assignment | None:
    return None if row is None else Assignment(**row._mapping)
