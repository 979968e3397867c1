"""Queries on model versions, their labels and which one serves.

Every function runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from limner.records.rows import ModelState, ModelVersion
from limner.records.tables import labels, model_labels, model_versions, projects

TRAIN = "train"
VALIDATION = "validation"


def add(tx: Connection, **values: Any) -> ModelVersion:
    """Record a version; `values` are the columns without `id` and `number`."""
    number = next_number(tx, values["project_id"])
    row = tx.execute(
        insert(model_versions).values(number=number, **values).returning(*model_versions.c)
    ).one()
    return ModelVersion(**row._mapping)


def next_number(tx: Connection, project_id: int) -> int:
    """Return the number that the project's next version gets."""
    newest_number = tx.execute(
        select(func.max(model_versions.c.number)).where(model_versions.c.project_id == project_id)
    ).scalar_one()
    return (newest_number or 0) + 1


def add_labels(tx: Connection, model_id: int, roles: Mapping[int, str]) -> None:
    """Record which labels made or measured a version: label id to role."""
    rows = [
        {"model_id": model_id, "label_id": label_id, "role": role}
        for label_id, role in roles.items()
    ]
    if rows:
        tx.execute(insert(model_labels), rows)


def find(tx: Connection, model_id: int) -> ModelVersion | None:
    """Return a version by its id."""
    row = tx.execute(select(model_versions).where(model_versions.c.id == model_id)).one_or_none()
    return None if row is None else ModelVersion(**row._mapping)


def by_number(tx: Connection, project_id: int, number: int) -> ModelVersion | None:
    """Return a version by its number within the project."""
    row = tx.execute(
        select(model_versions).where(
            model_versions.c.project_id == project_id, model_versions.c.number == number
        )
    ).one_or_none()
    return None if row is None else ModelVersion(**row._mapping)


def of_job(tx: Connection, job_id: int) -> ModelVersion | None:
    """Return the version that a job made, if it has made one."""
    row = tx.execute(
        select(model_versions).where(model_versions.c.job_id == job_id).limit(1)
    ).one_or_none()
    return None if row is None else ModelVersion(**row._mapping)


def serving(tx: Connection, project_id: int) -> ModelVersion | None:
    """Return the version that serves, if one does."""
    row = tx.execute(
        select(model_versions)
        .join(projects, projects.c.serving_model_id == model_versions.c.id)
        .where(projects.c.id == project_id)
    ).one_or_none()
    return None if row is None else ModelVersion(**row._mapping)


def page(tx: Connection, project_id: int, *, before: int | None, limit: int) -> list[ModelVersion]:
    """List a project's versions, newest first, those with a number below `before`."""
    query = select(model_versions).where(model_versions.c.project_id == project_id)
    if before is not None:
        query = query.where(model_versions.c.number < before)
    rows = tx.execute(query.order_by(model_versions.c.number.desc()).limit(limit))
    return [ModelVersion(**row._mapping) for row in rows]


def newest(tx: Connection, project_id: int) -> ModelVersion | None:
    """Return the version that was trained last."""
    return next(iter(page(tx, project_id, before=None, limit=1)), None)


def newest_from_scratch(tx: Connection, project_id: int) -> ModelVersion | None:
    """Return the last version that was trained without a parent."""
    row = tx.execute(
        select(model_versions)
        .where(model_versions.c.project_id == project_id, model_versions.c.parent_id.is_(None))
        .order_by(model_versions.c.number.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else ModelVersion(**row._mapping)


def change(tx: Connection, model_id: int, **values: Any) -> ModelVersion:
    """Set columns of a version that exists and return it as it is now."""
    row = tx.execute(
        update(model_versions)
        .where(model_versions.c.id == model_id)
        .values(**values)
        .returning(*model_versions.c)
    ).one()
    return ModelVersion(**row._mapping)


def set_serving(tx: Connection, project_id: int, model_id: int, *, at: float) -> ModelVersion:
    """Let one version serve in place of the one that did, and count the promotion."""
    tx.execute(
        update(model_versions)
        .where(
            model_versions.c.project_id == project_id,
            model_versions.c.state == ModelState.SERVING.value,
        )
        .values(state=ModelState.RETIRED.value)
    )
    tx.execute(
        update(projects)
        .where(projects.c.id == project_id)
        .values(serving_model_id=model_id, round=projects.c.round + 1)
    )
    return change(tx, model_id, state=ModelState.SERVING.value, promoted_at=at)


def trained_on(tx: Connection, model_id: int) -> dict[int, int]:
    """Return what a version was trained on: label id to sample id."""
    rows = tx.execute(
        select(labels.c.id, labels.c.sample_id)
        .join(model_labels, model_labels.c.label_id == labels.c.id)
        .where(model_labels.c.model_id == model_id, model_labels.c.role == TRAIN)
    )
    return {row.id: row.sample_id for row in rows}


def with_weights(tx: Connection, project_id: int) -> list[ModelVersion]:
    """List the versions whose weights are kept, newest first."""
    rows = tx.execute(
        select(model_versions)
        .where(
            model_versions.c.project_id == project_id,
            model_versions.c.weights_sha256.is_not(None),
        )
        .order_by(model_versions.c.number.desc())
    )
    return [ModelVersion(**row._mapping) for row in rows]


def other_ids(tx: Connection, project_id: int, model_id: int | None) -> list[int]:
    """List the ids of a project's versions but one."""
    query = select(model_versions.c.id).where(model_versions.c.project_id == project_id)
    return list(tx.execute(query.where(model_versions.c.id != (model_id or 0))).scalars())


def let_go(tx: Connection, versions: Iterable[ModelVersion]) -> list[str]:
    """Forget the weights of versions; return the files that no version names any more."""
    shas = set()
    for each in versions:
        change(tx, each.id, weights_sha256=None)
        if each.weights_sha256 is not None:
            shas.add(each.weights_sha256)
    kept = tx.execute(
        select(model_versions.c.weights_sha256).where(model_versions.c.weights_sha256.in_(shas))
    ).scalars()
    return sorted(shas - set(kept))
