"""The audit trail: who did what and when. Rows are added and never change; triggers see to it.

Every function runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select

from limner.records.rows import AuditEntry
from limner.records.tables import audit

SERVER = "server"
"""The actor of what nobody asked for, such as taking in a new file."""

_INSERT = insert(audit)


def write(
    tx: Connection,
    *,
    at: float,
    project_id: int | None,
    actor: str,
    action: str,
    subject: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry, in the transaction of what it tells of: both happen or neither.

    Args:
        tx: The transaction.
        at: When, in seconds since 1970.
        project_id: Whose project; None for what concerns the whole server.
        actor: Annotator or client who asked for it, or `SERVER`.
        action: What was done, such as `label.submitted`.
        subject: To what, such as `label:17`.
        details: Anything else worth knowing. Never pixels, patient names or tokens.
    """
    tx.execute(
        _INSERT,
        {
            "at": at,
            "project_id": project_id,
            "actor": actor[:200],
            "action": action,
            "subject": subject,
            "details": dict(details or {}),
        },
    )


def page(tx: Connection, project_id: int, *, before: int | None, limit: int) -> list[AuditEntry]:
    """List a project's entries, newest first, those with an id below `before`."""
    query = select(audit).where(audit.c.project_id == project_id)
    if before is not None:
        query = query.where(audit.c.id < before)
    rows = tx.execute(query.order_by(audit.c.id.desc()).limit(limit))
    return [AuditEntry(**row._mapping) for row in rows]
