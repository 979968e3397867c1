"""What the serving version answered ahead for a sample that is handed out."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select

from limner.records.rows import Project, Sample, StoredPrediction
from limner.records.tables import model_versions, predictions

_NUMBER = "model_number"
_FIND = (
    select(predictions, model_versions.c.number.label(_NUMBER))
    .join(model_versions, model_versions.c.id == predictions.c.model_id)
    .where(
        predictions.c.model_id == bindparam("model_id"),
        predictions.c.sample_id == bindparam("sample_id"),
        predictions.c.modified_ns == bindparam("modified_ns"),
    )
)


def find(tx: Connection, project: Project, sample: Sample) -> tuple[StoredPrediction, int] | None:
    """Return the stored prediction of the serving version, with that version's number.

    None where there is none, or where it was made from an earlier state of the image.
    """
    if project.serving_model_id is None:
        return None
    values = {
        "model_id": project.serving_model_id,
        "sample_id": sample.id,
        "modified_ns": sample.modified_ns,
    }
    row = tx.execute(_FIND, values).one_or_none()
    if row is None:
        return None
    columns = dict(row._mapping)
    number = int(columns.pop(_NUMBER))
    return StoredPrediction(**columns), number
