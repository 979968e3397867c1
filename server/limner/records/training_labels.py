"""Labels by their ids, with their samples: what a training that goes on needs.

Every function runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from limner.records.rows import Label, Sample, SampleState
from limner.records.tables import labels, samples

AT_HAND = (SampleState.READY, SampleState.LABELLED, SampleState.SET_ASIDE)
"""States of a sample whose image can be read."""
_CHUNK = 500


def with_samples(tx: Connection, label_ids: Sequence[int]) -> list[tuple[Label, Sample]]:
    """Return labels with their samples, in the order given; samples not at hand are left out."""
    columns = [column.label(f"given_{column.name}") for column in labels.c]
    found: dict[int, tuple[Label, Sample]] = {}
    for start in range(0, len(label_ids), _CHUNK):
        rows = tx.execute(
            select(samples, *columns)
            .join(labels, labels.c.sample_id == samples.c.id)
            .where(
                labels.c.id.in_(label_ids[start : start + _CHUNK]),
                samples.c.state.in_([each.value for each in AT_HAND]),
            )
        )
        for row in rows:
            values: dict[str, Any] = dict(row._mapping)
            label = Label(**{each.name: values.pop(f"given_{each.name}") for each in labels.c})
            found[label.id] = (label, Sample(**values))
    return [found[label_id] for label_id in label_ids if label_id in found]
