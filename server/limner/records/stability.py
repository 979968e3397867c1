"""Queries on how far versions agree with those before them.

Every function runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from limner.records.rows import ModelVersion, Sample, SampleState
from limner.records.tables import model_versions, predictions, samples

_STABILITY = model_versions.c.stability


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionAgreement:
    """How far a version agrees with the one that served before."""

    number: int
    measure: str
    """`dice`, `pq` or `kappa`."""
    agreement: float
    cases: int
    compared_with: int
    """Number of the version before."""


def first_drawn(tx: Connection, project_id: int, *, limit: int) -> list[Sample]:
    """Return the first of a project's samples in the seeded random order, labelled or not."""
    found: list[Sample] = []
    for state in (SampleState.READY, SampleState.LABELLED):
        query = (
            select(samples)
            .where(samples.c.project_id == project_id, samples.c.state == state.value)
            .order_by(samples.c.draw, samples.c.id)
            .limit(limit)
        )
        found += [Sample(**row._mapping) for row in tx.execute(query)]
    return sorted(found, key=lambda each: (each.draw, each.id))[:limit]


def before(
    tx: Connection, version: ModelVersion, sample_ids: Sequence[int], *, least: int
) -> ModelVersion | None:
    """Return the version that served last before another and has enough predictions left.

    Args:
        tx: The transaction.
        version: The one that serves now.
        sample_ids: Whose predictions are counted.
        least: How many there must be.
    """
    counted = (
        select(predictions.c.model_id)
        .where(predictions.c.sample_id.in_(sample_ids), predictions.c.model_id != version.id)
        .group_by(predictions.c.model_id)
        .having(func.count() >= least)
    )
    row = tx.execute(
        select(model_versions)
        .where(model_versions.c.id.in_(counted), model_versions.c.promoted_at.is_not(None))
        .order_by(model_versions.c.promoted_at.desc(), model_versions.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else ModelVersion(**row._mapping)


def put(tx: Connection, model_id: int, found: dict[str, Any]) -> None:
    """Record how far a version agrees with the one before: the fields but the number."""
    tx.execute(
        update(model_versions).where(model_versions.c.id == model_id).values(stability=found)
    )


def read(tx: Connection, project_id: int, *, limit: int) -> list[VersionAgreement]:
    """Return what is known of a project's newest versions, oldest of them first."""
    rows = tx.execute(
        select(model_versions.c.number, _STABILITY)
        .where(
            model_versions.c.project_id == project_id,
            _STABILITY["agreement"].as_float().is_not(None),
        )
        .order_by(model_versions.c.number.desc())
        .limit(limit)
    )
    return [VersionAgreement(number=row.number, **row.stability) for row in rows][::-1]
