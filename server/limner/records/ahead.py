"""What the serving version has to say of a sample that is handed out."""

from __future__ import annotations

from sqlalchemy import Connection, and_, bindparam, select

from limner.records.rows import Project, Sample
from limner.records.tables import model_versions, predictions

_OFFERED = (
    select(model_versions.c.number, predictions.c.sample_id)
    .outerjoin(
        predictions,
        and_(
            predictions.c.model_id == model_versions.c.id,
            predictions.c.sample_id == bindparam("sample_id"),
            predictions.c.modified_ns == bindparam("modified_ns"),
        ),
    )
    .where(model_versions.c.id == bindparam("model_id"))
)


def offered(tx: Connection, project: Project, sample: Sample) -> tuple[int, bool] | None:
    """Return the serving version's number, and whether its prediction of this image is stored.

    A prediction that was made from an earlier state of the image does not count. None where nothing
    serves yet.
    """
    if project.serving_model_id is None:
        return None
    values = {
        "model_id": project.serving_model_id,
        "sample_id": sample.id,
        "modified_ns": sample.modified_ns,
    }
    row = tx.execute(_OFFERED, values).one_or_none()
    return None if row is None else (row.number, row.sample_id is not None)
