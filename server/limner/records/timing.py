"""Queries on how long labels took, and on how large the images are.

Every function runs inside the caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from limner.records.rows import SampleState
from limner.records.tables import labels, samples


@dataclass(frozen=True, slots=True)
class Timed:
    """A label that says how long it took."""

    sample_id: int
    author: str
    seconds: float


def timed(tx: Connection, project_id: int, *, limit: int) -> list[Timed]:
    """Return the labels that count and say how long they took, one a sample, newest first."""
    rows = tx.execute(
        select(labels.c.sample_id, labels.c.author, labels.c.seconds)
        .join(samples, samples.c.label_id == labels.c.id)
        .where(
            labels.c.project_id == project_id,
            labels.c.seconds.is_not(None),
            samples.c.id == labels.c.sample_id,
            samples.c.state == SampleState.LABELLED.value,
        )
        .order_by(labels.c.id.desc())
        .limit(limit)
    )
    return [Timed(*row) for row in rows]


def shapes(tx: Connection, project_id: int, *, after: int, limit: int) -> list[tuple[Any, ...]]:
    """Return (sample id, spatial shape or None) beyond a sample id, rising."""
    rows = tx.execute(
        select(samples.c.id, samples.c.shape)
        .where(samples.c.project_id == project_id, samples.c.id > after)
        .order_by(samples.c.id)
        .limit(limit)
    )
    return [tuple(row) for row in rows]
