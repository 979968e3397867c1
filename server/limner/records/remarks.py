"""What clients want kept with samples and labels: JSON objects of theirs, given back as they came.

Every function runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, Table, select

from limner.records.tables import label_remarks, sample_remarks


def of_sample(tx: Connection, sample_id: int) -> dict[str, Any]:
    """Return the remarks on a sample; empty where there are none."""
    return _of(tx, sample_remarks, [sample_id]).get(sample_id, {})


def of_label(tx: Connection, label_id: int) -> dict[str, Any]:
    """Return the remarks on a label; empty where there are none."""
    return _of(tx, label_remarks, [label_id]).get(label_id, {})


def of_samples(tx: Connection, sample_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return the remarks on those samples that have some, by id; some thousand at a time."""
    return _of(tx, sample_remarks, sample_ids)


def of_labels(tx: Connection, label_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return the remarks on those labels that have some, by id; some thousand at a time."""
    return _of(tx, label_remarks, label_ids)


def set_on_sample(tx: Connection, sample_id: int, remarks: Mapping[str, Any]) -> None:
    """Keep remarks on a sample in place of earlier ones."""
    _set(tx, sample_remarks, sample_id, remarks)


def set_on_label(tx: Connection, label_id: int, remarks: Mapping[str, Any]) -> None:
    """Keep remarks on a label in place of earlier ones."""
    _set(tx, label_remarks, label_id, remarks)


def _of(tx: Connection, table: Table, ids: Collection[int]) -> dict[int, dict[str, Any]]:
    (key,) = table.primary_key.columns
    rows = tx.execute(select(key, table.c.remarks).where(key.in_(list(ids))))
    return {row[0]: row.remarks for row in rows}


def _set(tx: Connection, table: Table, owner: int, remarks: Mapping[str, Any]) -> None:
    (key,) = table.primary_key.columns
    changed = tx.execute(table.update().where(key == owner).values(remarks=dict(remarks)))
    if not changed.rowcount:
        tx.execute(table.insert().values({key.name: owner, "remarks": dict(remarks)}))
