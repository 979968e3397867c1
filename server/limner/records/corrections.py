"""Queries on how far labels leave what was offered as it was.

Every function runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from limner.records.rows import Label, LabelState, Sample
from limner.records.tables import labels, samples

_COUNTING = (LabelState.SUBMITTED.value, LabelState.APPROVED.value)


def waiting(tx: Connection, *, after: int, limit: int) -> list[tuple[Label, Sample]]:
    """List labels that are yet to be compared, of all projects, by rising id beyond `after`."""
    columns = [each.label(f"given_{each.name}") for each in labels.c]
    query = (
        select(samples, *columns)
        .join(labels, labels.c.sample_id == samples.c.id)
        .where(
            labels.c.compared_with.is_not(None), labels.c.agreement.is_(None), labels.c.id > after
        )
        .order_by(labels.c.id)
        .limit(limit)
    )
    found = []
    for row in tx.execute(query):
        values: dict[str, Any] = dict(row._mapping)
        label = Label(**{each.name: values.pop(f"given_{each.name}") for each in labels.c})
        found.append((label, Sample(**values)))
    return found


def put(tx: Connection, agreements: Mapping[int, float | None]) -> None:
    """Record agreements by label id; a label of which there is none was compared with nothing."""
    for label_id, value in agreements.items():
        given: dict[str, Any] = {"agreement": value}
        if value is None:
            given["compared_with"] = None
        tx.execute(update(labels).where(labels.c.id == label_id).values(**given))


def newest(tx: Connection, project_id: int, *, limit: int) -> list[tuple[float, int]]:
    """Return (agreement, number of the version) of the labels compared last, newest first."""
    rows = tx.execute(
        select(labels.c.agreement, labels.c.compared_with)
        .where(
            labels.c.project_id == project_id,
            labels.c.agreement.is_not(None),
            labels.c.state.in_(_COUNTING),
        )
        .order_by(labels.c.id.desc())
        .limit(limit)
    )
    return [(row.agreement, row.compared_with) for row in rows]
