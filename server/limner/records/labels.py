"""Queries on labels. Every function runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from limner.records.rows import Label, Sample, SampleState
from limner.records.tables import labels, samples

_BY_ID = select(labels).where(labels.c.id == bindparam("id"))
_OF_SAMPLE = (
    select(labels)
    .where(labels.c.sample_id == bindparam("sample_id"))
    .order_by(labels.c.version.desc())
)
_INSERT = insert(labels).returning(*labels.c)
_CHANGE = update(labels).where(labels.c.id == bindparam("row_id")).returning(*labels.c)


def find(tx: Connection, label_id: int) -> Label | None:
    """Return a label by its id."""
    return _row(tx.execute(_BY_ID, {"id": label_id}).one_or_none())


def of_ids(tx: Connection, label_ids: Collection[int]) -> list[Label]:
    """Return labels by their ids; some hundred at a time."""
    rows = tx.execute(select(labels).where(labels.c.id.in_(list(label_ids))))
    return [Label(**row._mapping) for row in rows]


def has_parts(tx: Connection, project_id: int) -> bool:
    """Tell whether a label that counts now is of a part of its image."""
    query = (
        select(labels.c.id)
        .join(samples, samples.c.label_id == labels.c.id)
        .where(samples.c.project_id == project_id, labels.c.regions.is_not(None))
    )
    return tx.execute(query.limit(1)).first() is not None


def of_sample(tx: Connection, sample_id: int) -> list[Label]:
    """List every version of a sample's label, newest first."""
    rows = tx.execute(_OF_SAMPLE, {"sample_id": sample_id})
    return [Label(**row._mapping) for row in rows]


def add(tx: Connection, **values: Any) -> Label:
    """Record a label; `values` are all columns but the id.

    Two labels can never be the same version of a sample: the table refuses the second.
    """
    return Label(**tx.execute(_INSERT, values).one()._mapping)


def change(tx: Connection, label_id: int, **values: Any) -> Label:
    """Set columns of a label that exists and return it as it is now."""
    return Label(**tx.execute(_CHANGE, {"row_id": label_id, **values}).one()._mapping)


def adopted(tx: Connection, sample_ids: Collection[int]) -> dict[int, Label]:
    """Return the newest adopted label of each sample that has one; none that has a tag."""
    rows = tx.execute(
        select(labels)
        .where(
            labels.c.sample_id.in_(list(sample_ids)),
            labels.c.adopted_from.is_not(None),
            labels.c.tag == "",
        )
        .order_by(labels.c.version)
    )
    return {row.sample_id: Label(**row._mapping) for row in rows}


def current(
    tx: Connection, project_id: int, *, after: int = 0, limit: int = 1000
) -> Sequence[tuple[Label, Sample]]:
    """List the labels that count now, one a sample, with their samples, by rising label id.

    A label counts when it is its sample's newest submitted or approved one and the sample's image
    is there to go with it: neither vanished, unreadable, removed nor set aside.

    Args:
        tx: The transaction.
        project_id: Whose labels.
        after: Go on beyond this label id.
        limit: How many at most.
    """
    present = [SampleState.READY.value, SampleState.LABELLED.value]
    columns = [column.label(f"given_{column.name}") for column in labels.c]
    query = (
        select(samples, *columns)
        .join(labels, labels.c.sample_id == samples.c.id)
        .where(
            labels.c.project_id == project_id,
            labels.c.id > after,
            samples.c.label_id == labels.c.id,
            samples.c.state.in_(present),
        )
        .order_by(labels.c.id)
        .limit(limit)
    )
    found = []
    for row in tx.execute(query):
        values = dict(row._mapping)
        label = Label(**{each.name: values.pop(f"given_{each.name}") for each in labels.c})
        found.append((label, Sample(**values)))
    return found


def _row(row: Row[Any] | None) -> Label | None:
    return None if row is None else Label(**row._mapping)
