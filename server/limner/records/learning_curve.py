"""How good each version was for how many labels: what a learning curve is drawn from.

Only the headline figures are read; a version's plan and case scores may be large.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from limner.records.tables import model_versions

_METRICS = model_versions.c.metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One model version on the learning curve."""

    number: int
    """Of the version, within its project."""
    state: str
    label_count: int
    """How many labels it was trained on."""
    measure: str | None
    """What was measured, such as `dice`; None where nothing was."""
    score: float | None
    """The mean over the cases."""
    cases: int | None
    method: str | None
    """`validation`, `cross-validation` or `none`."""
    created_at: float


def read(tx: Connection, project_id: int, *, limit: int) -> list[CurvePoint]:
    """Return a project's newest versions, oldest of them first."""
    rows = tx.execute(
        select(
            model_versions.c.number,
            model_versions.c.state,
            model_versions.c.label_count,
            _METRICS["measure"].as_string().label("measure"),
            _METRICS["score"].as_float().label("score"),
            _METRICS["cases"].as_integer().label("cases"),
            _METRICS["method"].as_string().label("method"),
            model_versions.c.created_at,
        )
        .where(model_versions.c.project_id == project_id)
        .order_by(model_versions.c.number.desc())
        .limit(limit)
    )
    return [CurvePoint(**row._mapping) for row in rows][::-1]
