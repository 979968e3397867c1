"""The queue: a strategy's picks in order. Every function runs in the caller's transaction.

Each function that adds or removes rows keeps the project's count of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, exists, func, insert, select

from limner.records import availability, projects
from limner.records.availability import HELD, NOT_IN_VALIDATION, READY
from limner.records.rows import QueueEntry, Sample
from limner.records.tables import assignments, queue, samples


@dataclass(frozen=True, slots=True)
class Queued:
    """A pick and its place."""

    sample: Sample
    position: int
    strategy: str
    score: float | None
    reason: str
    arm: str
    region: dict[str, list[int]] | None = None


_PICK = (
    queue.c.position.label("queue_position"),
    queue.c.strategy.label("queue_strategy"),
    queue.c.score.label("queue_score"),
    queue.c.reason.label("queue_reason"),
    queue.c.arm.label("queue_arm"),
    queue.c.region.label("queue_region"),
)


def _first(several: bool) -> Select[Any]:
    may_get = availability.for_several_readings() if several else availability.for_one_reading()
    return (
        select(samples, *_PICK)
        .join(queue, queue.c.sample_id == samples.c.id)
        .where(queue.c.project_id == bindparam("project_id"), NOT_IN_VALIDATION, *may_get)
        .order_by(queue.c.position)
        .limit(1)
    )


_FIRST = {several: _first(several) for several in (False, True)}
_REMOVE = delete(queue).where(queue.c.sample_id == bindparam("sample"))


def first(tx: Connection, project_id: int, annotator: str, readings: int) -> Queued | None:
    """Return the best pick that this annotator may get; it stays in the queue."""
    values: dict[str, Any] = {"project_id": project_id, availability.ANNOTATOR: annotator}
    if readings > 1:
        values[availability.READINGS] = readings
    row = tx.execute(_FIRST[readings > 1], values).one_or_none()
    if row is None:
        return None
    columns = dict(row._mapping)
    return Queued(
        position=columns.pop("queue_position"),
        strategy=columns.pop("queue_strategy"),
        score=columns.pop("queue_score"),
        reason=columns.pop("queue_reason"),
        arm=columns.pop("queue_arm"),
        region=columns.pop("queue_region"),
        sample=Sample(**columns),
    )


def remove(tx: Connection, sample_id: int) -> int:
    """Take a sample out; return how many rows that were, for the caller's counts."""
    return tx.execute(_REMOVE, {"sample": sample_id}).rowcount


def remove_many(tx: Connection, sample_ids: Collection[int]) -> int:
    """Take samples out, some hundred at a time; return how many rows that were."""
    return tx.execute(delete(queue).where(queue.c.sample_id.in_(list(sample_ids)))).rowcount


def put_back(tx: Connection, project_id: int, entry: QueueEntry, position: int) -> int:
    """Put a sample back at its place, or before all others where that is taken meanwhile.

    Returns:
        How many rows that were, for the caller's counts: 0 when it was there already.
    """
    if _has(tx, queue.c.sample_id == entry.sample_id):
        return 0
    if _has(tx, queue.c.project_id == project_id, queue.c.position == position):
        position = _edge(tx, project_id, func.min) - 1
    _insert(tx, project_id, entry, position)
    return 1


def put_last(tx: Connection, project_id: int, entry: QueueEntry) -> int:
    """Put a sample behind all others; return how many rows were added, for the caller's counts."""
    removed = remove(tx, entry.sample_id)
    _insert(tx, project_id, entry, _edge(tx, project_id, func.max) + 1)
    return 1 - removed


def replace(tx: Connection, project_id: int, entries: Sequence[QueueEntry]) -> int:
    """Put a strategy's new picks, best first, in place of the old queue.

    Picks that can no longer be handed out are left out: labelled or drawn for validation while the
    strategy worked, or held by as many annotators as the project asks for.

    Returns:
        How many picks are in the queue now.
    """
    tx.execute(delete(queue).where(queue.c.project_id == project_id))
    if entries:
        tx.execute(
            insert(queue),
            [
                {
                    "project_id": project_id,
                    "position": position,
                    "sample_id": each.sample_id,
                    "strategy": each.strategy,
                    "score": each.score,
                    "reason": each.reason[:500],
                    "model_id": each.model_id,
                    "arm": each.arm,
                    "region": each.region,
                }
                for position, each in enumerate(entries)
            ],
        )
    project = projects.find(tx, project_id)
    readings = 1 if project is None else int(project.settings.get("readings", 1))
    dropped = tx.execute(_DROP, {"project": project_id, "readings": readings}).rowcount
    kept = len(entries) - dropped
    if project is not None:
        projects.change(tx, project_id, queued=kept)
    return kept


_HELD_COUNT = (
    select(func.count())
    .where(assignments.c.sample_id == samples.c.id, HELD)
    .correlate(samples)
    .scalar_subquery()
)
_DROP = delete(queue).where(
    queue.c.project_id == bindparam("project"),
    ~exists().where(
        samples.c.id == queue.c.sample_id,
        READY,
        NOT_IN_VALIDATION,
        samples.c.readings + _HELD_COUNT < bindparam("readings"),
    ),
)


def _has(tx: Connection, *conditions: Any) -> bool:
    return tx.execute(select(queue.c.sample_id).where(*conditions)).first() is not None


def _edge(tx: Connection, project_id: int, which: Any) -> int:
    """Return the smallest or largest position; 0 when the queue is empty."""
    query = select(which(queue.c.position)).where(queue.c.project_id == project_id)
    return int(tx.execute(query).scalar() or 0)


def _insert(tx: Connection, project_id: int, entry: QueueEntry, position: int) -> None:
    tx.execute(
        insert(queue).values(
            project_id=project_id,
            position=position,
            sample_id=entry.sample_id,
            strategy=entry.strategy,
            score=entry.score,
            reason=entry.reason,
            model_id=entry.model_id,
            arm=entry.arm,
            region=entry.region,
        )
    )
