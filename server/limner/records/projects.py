"""Queries on projects and their kept counts. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from limner.records.rows import Project
from limner.records.tables import labels, projects

COUNTS = ("samples", "labelled", "validation", "unreadable", "set_aside", "vanished")
"""Kept counts that follow from the samples' states; see `limner.records.counts`."""

_KEPT = (*COUNTS, "queued", "next_calls", "labels_since_training")
# One statement for every combination: building it anew would cost more than running it.
_ADD = (
    update(projects)
    .where(projects.c.id == bindparam("row_id"))
    .values({name: projects.c[name] + bindparam(f"add_{name}") for name in _KEPT})
)
_CHANGE = update(projects).where(projects.c.id == bindparam("row_id")).returning(*projects.c)

_LIVE = projects.c.deleted_at.is_(None)
_BY_NAME = select(projects).where(projects.c.name == bindparam("name"), _LIVE)
_BY_ID = select(projects).where(projects.c.id == bindparam("id"), _LIVE)
# On PostgreSQL the row is held until the transaction ends: what changes counts goes one by one.
# SQLite has one writer anyway and leaves the clause out.
_BY_NAME_TO_CHANGE = _BY_NAME.with_for_update()
_BY_ID_TO_CHANGE = _BY_ID.with_for_update()


def add(tx: Connection, **values: Any) -> Project:
    """Record a project; `values` are the columns without `id` and without the counts."""
    row = tx.execute(insert(projects).values(**values).returning(*projects.c)).one()
    return Project(**row._mapping)


def by_name(tx: Connection, name: str, *, to_change: bool = False) -> Project | None:
    """Return a project that is not deleted, by its name."""
    query = _BY_NAME_TO_CHANGE if to_change else _BY_NAME
    return _row(tx.execute(query, {"name": name}).one_or_none())


def find(tx: Connection, project_id: int, *, to_change: bool = False) -> Project | None:
    """Return a project that is not deleted, by its id."""
    query = _BY_ID_TO_CHANGE if to_change else _BY_ID
    return _row(tx.execute(query, {"id": project_id}).one_or_none())


def page(tx: Connection, *, after: int, limit: int) -> list[Project]:
    """List projects that are not deleted, with an id above `after`, oldest first."""
    query = select(projects).where(projects.c.id > after, _LIVE).order_by(projects.c.id)
    return [Project(**row._mapping) for row in tx.execute(query.limit(limit))]


def change(tx: Connection, project_id: int, **values: Any) -> Project:
    """Set columns of a project that exists and return it as it is now."""
    return Project(**tx.execute(_CHANGE, {"row_id": project_id, **values}).one()._mapping)


def add_counts(tx: Connection, project_id: int, changes: Mapping[str, int]) -> None:
    """Add to kept counts, by column name; zeros cost nothing."""
    if any(changes.values()):
        added = {f"add_{name}": changes.get(name, 0) for name in _KEPT}
        tx.execute(_ADD, {"row_id": project_id, **added})


def has_labels(tx: Connection, project_id: int) -> bool:
    """Tell whether a project has any label, drafts and rejected ones included."""
    query = select(labels.c.id).where(labels.c.project_id == project_id).limit(1)
    return tx.execute(query).first() is not None


def _row(row: Row[Any] | None) -> Project | None:
    return None if row is None else Project(**row._mapping)
