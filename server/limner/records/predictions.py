"""Queries on stored predictions. Every function runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, exists, insert, select

from limner.records.availability import HELD
from limner.records.rows import StoredPrediction
from limner.records.tables import assignments, predictions


def find(tx: Connection, model_id: int, sample_id: int) -> StoredPrediction | None:
    """Return what a version answered for a sample, if that is stored."""
    row = tx.execute(
        select(predictions).where(
            predictions.c.model_id == model_id, predictions.c.sample_id == sample_id
        )
    ).one_or_none()
    return None if row is None else StoredPrediction(**row._mapping)


def put(tx: Connection, rows: Sequence[StoredPrediction]) -> list[str]:
    """Record predictions in place of earlier ones of the same version and sample.

    Returns:
        Files that earlier rows named and that no row names any more.
    """
    replaced: set[str] = set()
    for row in rows:
        same = (predictions.c.model_id == row.model_id, predictions.c.sample_id == row.sample_id)
        replaced |= set(
            tx.execute(delete(predictions).where(*same).returning(predictions.c.sha256)).scalars()
        )
    if rows:
        tx.execute(
            insert(predictions),
            [{name: getattr(row, name) for name in row.__slots__} for row in rows],
        )
    return unnamed(tx, replaced)


def forget(tx: Connection, model_id: int, *, limit: int) -> tuple[int, list[str]]:
    """Delete up to `limit` predictions of a version, but those of samples that are lent now.

    Labels of these are to be compared with what their annotators were offered.

    Returns:
        How many were deleted, and the files that no row names any more.
    """
    lent = exists().where(assignments.c.sample_id == predictions.c.sample_id, HELD)
    some = (
        select(predictions.c.sample_id)
        .where(predictions.c.model_id == model_id, ~lent)
        .limit(limit)
    )
    shas = list(
        tx.execute(
            delete(predictions)
            .where(predictions.c.model_id == model_id, predictions.c.sample_id.in_(some))
            .returning(predictions.c.sha256)
        ).scalars()
    )
    return len(shas), unnamed(tx, shas)


def unnamed(tx: Connection, shas: Iterable[str]) -> list[str]:
    """Return those of the files that no prediction names."""
    asked = set(shas)
    if not asked:
        return []
    named = tx.execute(
        select(predictions.c.sha256).where(predictions.c.sha256.in_(asked)).distinct()
    ).scalars()
    return sorted(asked - set(named))
