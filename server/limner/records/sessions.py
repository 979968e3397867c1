"""Queries on sessions. Every function runs inside the caller's transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from limner.records.rows import Session
from limner.records.tables import sessions


def add(tx: Connection, session: Session) -> None:
    """Record a session."""
    tx.execute(
        sessions.insert().values({name: getattr(session, name) for name in session.__slots__})
    )


def find(tx: Connection, session_id: str) -> Session | None:
    """Return a session by its id, expired or not."""
    row = tx.execute(select(sessions).where(sessions.c.id == session_id)).one_or_none()
    return None if row is None else Session(**row._mapping)


def touch(tx: Connection, session_id: str, *, at: float) -> None:
    """Note that a session was used."""
    tx.execute(sessions.update().where(sessions.c.id == session_id).values(last_access_at=at))


def remove(tx: Connection, session_id: str) -> None:
    """Forget a session."""
    tx.execute(sessions.delete().where(sessions.c.id == session_id))


def expired(tx: Connection, *, at: float) -> list[Session]:
    """List the sessions that were not used for longer than they last."""
    overdue: Any = sessions.c.last_access_at + sessions.c.expiry_s < at
    return [Session(**row._mapping) for row in tx.execute(select(sessions).where(overdue))]
