"""Queries on descriptions: what a version says of each sample, and what it has not said yet.

Every function runs inside the caller's transaction. Reads go page by page along an index, so a pool
of a million samples is never held at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
    tuple_,
)

from limner.plugin import Description, FloatArray, IntArray
from limner.records.availability import IN_VALIDATION, READY
from limner.records.rows import Sample, SampleState
from limner.records.tables import descriptions, predictions, queue, samples

Place = tuple[float, int]
"""Where a walk along the random order stands: the last sample's draw and id."""

START: Place = (-1.0, -1)


@dataclass(frozen=True, slots=True)
class Due:
    """A sample that a walk has come to."""

    sample: Sample
    is_due: bool
    """Whether the version has yet to describe it, or its file has changed since."""


def walk(
    tx: Connection,
    project_id: int,
    model_id: int,
    *,
    after: Place,
    state: SampleState,
    limit: int,
    asked: str = "",
) -> list[Due]:
    """Return the next samples in their seeded random order, with what is due of them.

    Args:
        tx: The transaction.
        project_id: Whose samples.
        model_id: The version that is to describe them.
        after: Where the walk stands; `START` in the beginning.
        state: Which samples to walk along. One, so that the index gives their order.
        limit: How many to return at most.
        asked: Which parts of images are asked for, as `put` was told; due is what says otherwise.
    """
    query = (
        _with_due(model_id, asked)
        .where(
            samples.c.project_id == project_id,
            samples.c.state == state.value,
            tuple_(samples.c.draw, samples.c.id) > after,
        )
        .order_by(samples.c.draw, samples.c.id)
        .limit(limit)
    )
    return dues(tx.execute(query))


def along_queue(tx: Connection, project_id: int, model_id: int, asked: str = "") -> list[Due]:
    """Return the samples of the queue, best first, with what is due of them."""
    query = (
        _with_due(model_id, asked)
        .join(queue, queue.c.sample_id == samples.c.id)
        .where(queue.c.project_id == project_id)
        .order_by(queue.c.position)
    )
    return dues(tx.execute(query))


def among(
    tx: Connection, project_id: int, model_id: int, ids: Sequence[int], asked: str = ""
) -> list[Due]:
    """Return samples by their ids, some hundred at a time, with what is due of them."""
    query = _with_due(model_id, asked)
    query = query.where(samples.c.project_id == project_id, samples.c.id.in_(ids))
    return dues(tx.execute(query))


def _with_due(model_id: int, asked: str) -> Select[Any]:
    """Select samples with what is due: no description as it is asked for, or an old prediction."""
    is_due = or_(
        descriptions.c.sample_id.is_(None),
        descriptions.c.asked != asked,
        and_(
            predictions.c.sample_id.is_not(None),
            predictions.c.modified_ns != samples.c.modified_ns,
        ),
    )
    return (
        select(samples, is_due.label("is_due"))
        .outerjoin(
            descriptions,
            and_(descriptions.c.model_id == model_id, descriptions.c.sample_id == samples.c.id),
        )
        .outerjoin(
            predictions,
            and_(predictions.c.model_id == model_id, predictions.c.sample_id == samples.c.id),
        )
    )


def dues(rows: Iterable[Row[Any]]) -> list[Due]:
    """Read the rows of samples with a column `is_due`."""
    found = []
    for row in rows:
        values = dict(row._mapping)
        is_due = bool(values.pop("is_due"))
        found.append(Due(Sample(**values), is_due))
    return found


def put(
    tx: Connection,
    project_id: int,
    model_id: int,
    described: Sequence[tuple[int, Description]],
    *,
    at: float,
    asked: str = "",
) -> None:
    """Record descriptions, by sample id, in place of earlier ones of the same version.

    `asked` names the size of the parts of images that were asked for; empty for none.
    """
    if not described:
        return
    ids = [sample_id for sample_id, _ in described]
    tx.execute(
        delete(descriptions).where(
            descriptions.c.model_id == model_id, descriptions.c.sample_id.in_(ids)
        )
    )
    tx.execute(
        insert(descriptions),
        [
            {
                "model_id": model_id,
                "sample_id": sample_id,
                "project_id": project_id,
                "scores": {name: float(value) for name, value in each.scores.items()},
                "class_scores": _bytes(each.class_scores),
                "class_fractions": _bytes(each.class_fractions),
                "embedding": None if each.embedding is None else _bytes(each.embedding),
                "region": None
                if each.region is None
                else {"start": list(each.region.start), "stop": list(each.region.stop)},
                "asked": asked,
                "created_at": at,
            }
            for sample_id, each in described
        ],
    )


def forget(tx: Connection, model_id: int, *, limit: int) -> int:
    """Delete up to `limit` descriptions of a version; return how many."""
    some = select(descriptions.c.sample_id).where(descriptions.c.model_id == model_id).limit(limit)
    return tx.execute(
        delete(descriptions).where(
            descriptions.c.model_id == model_id, descriptions.c.sample_id.in_(some)
        )
    ).rowcount


def forget_one(tx: Connection, model_id: int, sample_id: int) -> None:
    """Delete what a version says of one sample, whose file has changed."""
    tx.execute(
        delete(descriptions).where(
            descriptions.c.model_id == model_id, descriptions.c.sample_id == sample_id
        )
    )


def forget_sample(tx: Connection, sample_id: int) -> None:
    """Delete what every version says of one sample, of which more is labelled now."""
    tx.execute(delete(descriptions).where(descriptions.c.sample_id == sample_id))


def regions(
    tx: Connection, model_id: int, sample_ids: Sequence[int]
) -> dict[int, dict[str, list[int]]]:
    """Return the part of each sample that is worth most to a version, where it says one."""
    found = {}
    for start in range(0, len(sample_ids), 500):
        rows = tx.execute(
            select(descriptions.c.sample_id, descriptions.c.region).where(
                descriptions.c.model_id == model_id,
                descriptions.c.sample_id.in_(sample_ids[start : start + 500]),
                descriptions.c.region.is_not(None),
            )
        )
        found.update({row.sample_id: row.region for row in rows})
    return found


def count(tx: Connection, model_id: int) -> int:
    """Count the samples that a version has described."""
    return tx.execute(
        select(func.count()).select_from(descriptions).where(descriptions.c.model_id == model_id)
    ).scalar_one()


def ready_ids(tx: Connection, project_id: int, *, after: int, limit: int) -> IntArray:
    """Return ids of ready samples beyond `after`, rising; those of the validation set too.

    No other condition: so an index answers alone, and not one of a million rows is looked at.
    """
    return _ids(tx, project_id, READY, after=after, limit=limit)


def validation_ids(tx: Connection, project_id: int) -> IntArray:
    """Return ids of the validation set that wait for a label; there are a few."""
    return np.array(
        tx.execute(
            select(samples.c.id).where(samples.c.project_id == project_id, READY, IN_VALIDATION)
        )
        .scalars()
        .all(),
        np.int64,
    )


def labelled_ids(tx: Connection, project_id: int, *, after: int, limit: int) -> IntArray:
    """Return ids of labelled samples beyond `after`, rising."""
    is_labelled = samples.c.state == SampleState.LABELLED.value
    return _ids(tx, project_id, is_labelled, after=after, limit=limit)


def _ids(
    tx: Connection, project_id: int, *conditions: ColumnElement[bool], after: int, limit: int
) -> IntArray:
    """Read ids as one text that the database makes: a million rows would keep Python for long."""
    some = (
        select(samples.c.id)
        .where(samples.c.project_id == project_id, *conditions, samples.c.id > after)
        .order_by(samples.c.id)
        .limit(limit)
        .subquery()
    )
    joined = select(func.aggregate_strings(cast(some.c.id, Text), ","))
    text = tx.execute(joined).scalar_one_or_none()
    # An aggregate owes no order to what it reads.
    return np.sort(np.fromstring(text, np.int64, sep=",")) if text else np.zeros(0, np.int64)


def read(
    tx: Connection, model_id: int, *, columns: Sequence[str], after: int, limit: int
) -> list[tuple[Any, ...]]:
    """Return (sample id, *columns) of a version's descriptions beyond a sample id, rising."""
    chosen = [descriptions.c[name] for name in columns]
    rows = tx.execute(
        select(descriptions.c.sample_id, *chosen)
        .where(descriptions.c.model_id == model_id, descriptions.c.sample_id > after)
        .order_by(descriptions.c.sample_id)
        .limit(limit)
    )
    return [tuple(row) for row in rows]


def floats(data: bytes) -> FloatArray:
    """Read an array as it was stored: float32, little-endian."""
    return np.frombuffer(data, dtype="<f4").astype(np.float32)


def _bytes(array: FloatArray) -> bytes:
    return np.ascontiguousarray(array, dtype="<f4").tobytes()
