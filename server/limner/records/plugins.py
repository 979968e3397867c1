"""Queries on plugins that were registered or retired while the server ran.

Every function runs in the caller's transaction.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from limner.records.rows import RegisteredPlugin
from limner.records.tables import plugins


def every(tx: Connection) -> list[RegisteredPlugin]:
    """List all of them, by kind and name; there are a handful."""
    rows = tx.execute(select(plugins).order_by(plugins.c.kind, plugins.c.name))
    return [RegisteredPlugin(**row._mapping) for row in rows]


def put(tx: Connection, row: RegisteredPlugin) -> None:
    """Record one, in place of what was recorded under its kind and name."""
    tx.execute(delete(plugins).where(plugins.c.kind == row.kind, plugins.c.name == row.name))
    tx.execute(
        insert(plugins).values(
            kind=row.kind,
            name=row.name,
            location=row.location,
            revision=row.revision,
            state=row.state,
            digest=row.digest,
            registered_at=row.registered_at,
        )
    )
