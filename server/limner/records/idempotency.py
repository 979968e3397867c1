"""Answers kept for a day, so that a request sent twice under one key is carried out once.

Every function runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from limner.records.tables import idempotency

KEPT_S = 24 * 3600.0
"""How long an answer is kept, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """What was answered to a request. Fields are those of `tables.idempotency`."""

    key: str
    route: str
    request_sha256: str
    status: int
    body: bytes
    headers: Mapping[str, Any]
    created_at: float


_FIND = select(idempotency).where(
    idempotency.c.key == bindparam("key"),
    idempotency.c.route == bindparam("route"),
    idempotency.c.created_at > bindparam("oldest"),
)


def get(tx: Connection, key: str, route: str, *, at: float) -> KeptAnswer | None:
    """Return what was answered under this key to this route, unless that is too long ago."""
    row = tx.execute(_FIND, {"key": key, "route": route, "oldest": at - KEPT_S}).one_or_none()
    return None if row is None else KeptAnswer(**row._mapping)


def put(tx: Connection, answer: KeptAnswer) -> KeptAnswer:
    """Keep an answer, and return the one that counts: the first under its key and route.

    Two requests at the same instant both get here; the second is told what the first was answered.
    """
    kept = get(tx, answer.key, answer.route, at=answer.created_at)
    if kept is not None:
        return kept
    # What is too old goes now, and with it an old answer under this very key.
    prune(tx, at=answer.created_at)
    tx.execute(insert(idempotency), {name: getattr(answer, name) for name in KeptAnswer.__slots__})
    return answer


def prune(tx: Connection, *, at: float) -> int:
    """Forget what is older than a day; return how many answers that were."""
    old = idempotency.c.created_at <= at - KEPT_S
    return tx.execute(delete(idempotency).where(old)).rowcount
