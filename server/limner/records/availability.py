"""Which samples may be handed to an annotator: the conditions that every pick shares.

A sample may be handed out while fewer annotators hold it or have labelled it than the project asks
for, and never to one who has skipped it, holds it or has labelled it.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, bindparam, exists, false, func, literal_column, select, true

from limner.records.rows import AssignmentState, LabelState, SampleState
from limner.records.tables import assignments, labels, samples, skips

ANNOTATOR = "annotator"
READINGS = "readings"

# Literals, not parameters: SQLite uses a partial index only when it sees the condition itself.
HELD = assignments.c.state == literal_column(f"'{AssignmentState.HELD}'")
READY = samples.c.state == literal_column(f"'{SampleState.READY}'")
GIVEN = labels.c.state.in_(
    [literal_column(f"'{each}'") for each in (LabelState.SUBMITTED, LabelState.APPROVED)]
)
"""Labels that count: submitted ones, until somebody rejects them."""

IN_VALIDATION = samples.c.is_validation == true()
NOT_IN_VALIDATION = samples.c.is_validation == false()


def _not_skipped() -> ColumnElement[bool]:
    return ~exists().where(
        skips.c.sample_id == samples.c.id, skips.c.annotator == bindparam(ANNOTATOR)
    )


def for_one_reading() -> tuple[ColumnElement[bool], ...]:
    """Conditions on `samples` where each sample is labelled once."""
    return (READY, ~exists().where(assignments.c.sample_id == samples.c.id, HELD), _not_skipped())


def for_several_readings() -> tuple[ColumnElement[bool], ...]:
    """Conditions on `samples` where several annotators label each sample."""
    held = select(func.count()).where(assignments.c.sample_id == samples.c.id, HELD)
    return (
        READY,
        samples.c.readings + held.scalar_subquery() < bindparam(READINGS),
        ~exists().where(
            assignments.c.sample_id == samples.c.id,
            assignments.c.annotator == bindparam(ANNOTATOR),
            HELD,
        ),
        ~exists().where(
            labels.c.sample_id == samples.c.id, labels.c.author == bindparam(ANNOTATOR), GIVEN
        ),
        _not_skipped(),
    )
