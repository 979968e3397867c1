"""Queries on descriptors: what the pixels of a sample say while no model describes it.

They have a table of their own, so that they are never taken for what a model version says; it is
empty again once one serves. Every function runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, and_, delete, insert, or_, select, tuple_

from limner.images.descriptors import VERSION
from limner.plugin import FloatArray
from limner.records.descriptions import Due, Place, dues
from limner.records.rows import Sample, SampleState
from limner.records.tables import descriptors, samples

_OF_SAMPLE = and_(descriptors.c.sample_id == samples.c.id, descriptors.c.version == VERSION)


def walk(
    tx: Connection, project_id: int, *, after: Place, state: SampleState, limit: int
) -> list[Due]:
    """Return the next samples in their seeded random order, with what is due of them.

    Args:
        tx: The transaction.
        project_id: Whose samples.
        after: Where the walk stands; `START` in the beginning.
        state: Which samples to walk along. One, so that the index gives their order.
        limit: How many to return at most.
    """
    is_due = or_(
        descriptors.c.sample_id.is_(None), descriptors.c.modified_ns != samples.c.modified_ns
    )
    query = (
        select(samples, is_due.label("is_due"))
        .outerjoin(descriptors, _OF_SAMPLE)
        .where(
            samples.c.project_id == project_id,
            samples.c.state == state.value,
            tuple_(samples.c.draw, samples.c.id) > after,
        )
        .order_by(samples.c.draw, samples.c.id)
        .limit(limit)
    )
    return dues(tx.execute(query))


def put(
    tx: Connection,
    project_id: int,
    described: Sequence[tuple[Sample, FloatArray]],
    *,
    at: float,
) -> None:
    """Record descriptors of samples, in place of earlier ones."""
    if not described:
        return
    ids = [sample.id for sample, _ in described]
    tx.execute(delete(descriptors).where(descriptors.c.sample_id.in_(ids)))
    tx.execute(
        insert(descriptors),
        [
            {
                "sample_id": sample.id,
                "project_id": project_id,
                "version": VERSION,
                "embedding": np.ascontiguousarray(values, dtype="<f4").tobytes(),
                "modified_ns": sample.modified_ns,
                "created_at": at,
            }
            for sample, values in described
        ],
    )


def forget(tx: Connection, project_id: int, *, limit: int) -> int:
    """Delete up to `limit` of a project's; return how many."""
    some = select(descriptors.c.sample_id).where(descriptors.c.project_id == project_id)
    return tx.execute(
        delete(descriptors).where(descriptors.c.sample_id.in_(some.limit(limit)))
    ).rowcount


def read(tx: Connection, project_id: int, *, after: int, limit: int) -> list[tuple[Any, ...]]:
    """Return (sample id, embedding) beyond a sample id, rising."""
    rows = tx.execute(
        select(descriptors.c.sample_id, descriptors.c.embedding)
        .where(
            descriptors.c.project_id == project_id,
            descriptors.c.sample_id > after,
            descriptors.c.version == VERSION,
        )
        .order_by(descriptors.c.sample_id)
        .limit(limit)
    )
    return [tuple(row) for row in rows]
