"""Queries on suspect labels. Every function runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, delete, insert, literal, select, tuple_

from limner.records.rows import Label, LabelState, Sample, SampleState, Suspect
from limner.records.tables import labels, samples, suspects

_PRESENT = (SampleState.READY.value, SampleState.LABELLED.value)


def replace(tx: Connection, project_id: int, found: Sequence[Suspect]) -> None:
    """Put what a review found in place of what the one before did."""
    tx.execute(delete(suspects).where(suspects.c.project_id == project_id))
    if found:
        tx.execute(insert(suspects), [asdict(each) for each in found])


def page(
    tx: Connection, project_id: int, *, after: tuple[float, int] | None, limit: int
) -> list[tuple[Suspect, Sample, Label]]:
    """List the suspects that nobody has dealt with, worst first, then by label id.

    A suspect is dealt with once its label is approved or rejected, or another one counts in its
    place. Samples whose image is not at hand are left out.

    Args:
        tx: The transaction.
        project_id: Whose suspects.
        after: Score and label id of the last one of the page before.
        limit: How many at most.
    """
    given = [each.label(f"given_{each.name}") for each in labels.c]
    found = [each.label(f"found_{each.name}") for each in suspects.c]
    query = (
        select(samples, *given, *found)
        .select_from(suspects)
        .join(samples, samples.c.id == suspects.c.sample_id)
        .join(labels, labels.c.id == suspects.c.label_id)
        .where(
            suspects.c.project_id == project_id,
            samples.c.label_id == suspects.c.label_id,
            samples.c.state.in_(_PRESENT),
            labels.c.state == LabelState.SUBMITTED.value,
        )
        .order_by(suspects.c.score, suspects.c.label_id)
        .limit(limit)
    )
    if after is not None:
        place = tuple_(suspects.c.score, suspects.c.label_id)
        query = query.where(place > tuple_(literal(after[0]), literal(after[1])))
    return [_row(dict(row._mapping)) for row in tx.execute(query)]


def _row(values: dict[str, Any]) -> tuple[Suspect, Sample, Label]:
    suspect = Suspect(**{each.name: values.pop(f"found_{each.name}") for each in suspects.c})
    label = Label(**{each.name: values.pop(f"given_{each.name}") for each in labels.c})
    return suspect, Sample(**values), label
