"""Queries on what clients keep by tag. Every function runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, bindparam, func, literal_column, select

from limner.records.rows import Label, LabelState
from limner.records.tables import labels, predictions, samples

# A literal, not a parameter: SQLite uses a partial index only when it sees the condition itself.
_TAGGED = labels.c.tag != literal_column("''")

_COUNTS = (
    select(labels.c.tag, func.count(labels.c.sample_id.distinct()).label("samples"))
    .where(
        labels.c.project_id == bindparam("project_id"),
        _TAGGED,
        labels.c.state != LabelState.REJECTED.value,
    )
    .group_by(labels.c.tag)
)


def counts(tx: Connection, project_id: int) -> dict[str, int]:
    """Count a project's samples by the tags that something is kept under."""
    rows = tx.execute(_COUNTS, {"project_id": project_id})
    return {row.tag: row.samples for row in rows}


def of_samples(tx: Connection, sample_ids: Collection[int]) -> dict[int, list[Label]]:
    """Return the labels of samples by id, newest first; some thousand samples at a time."""
    query = (
        select(labels)
        .where(labels.c.sample_id.in_(list(sample_ids)))
        .order_by(labels.c.sample_id, labels.c.version.desc())
    )
    found: dict[int, list[Label]] = {}
    for row in tx.execute(query):
        found.setdefault(row.sample_id, []).append(Label(**row._mapping))
    return found


def predicted(tx: Connection, model_id: int | None, sample_ids: Collection[int]) -> set[int]:
    """Return those of the samples whose present image a version has a stored prediction of."""
    if model_id is None:
        return set()
    query = (
        select(predictions.c.sample_id)
        .join(samples, samples.c.id == predictions.c.sample_id)
        .where(
            predictions.c.model_id == model_id,
            predictions.c.sample_id.in_(list(sample_ids)),
            predictions.c.modified_ns == samples.c.modified_ns,
        )
    )
    return set(tx.execute(query).scalars())
