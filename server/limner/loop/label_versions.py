"""A label that was given, as a row."""

from __future__ import annotations

from sqlalchemy import Connection

from limner.loop.answering import Given
from limner.loop.regions import stored, stored_all
from limner.records import labels as label_rows
from limner.records.rows import Assignment, Label, LabelState, Sample
from limner.stores.blobs import Blob


def added(
    tx: Connection,
    sample: Sample,
    version: int,
    blob: Blob,
    given: Given,
    answered: Assignment | None,
    note: str,
    now: float,
) -> Label:
    """Record a label as a version of its own."""
    joined = given.joined
    return label_rows.add(
        tx,
        project_id=sample.project_id,
        sample_id=sample.id,
        version=version,
        state=given.state.value,
        author=given.author,
        seconds=given.seconds,
        sha256=blob.sha256,
        size_bytes=blob.size_bytes,
        format=given.format,
        assignment_id=None if answered is None else answered.id,
        adopted_from=given.adopted_from,
        note=note[:500],
        tag=given.tag,
        compared_with=_offered(given, answered) if joined is None else None,
        region=None if joined is None else stored(joined.region),
        regions=None if joined is None else stored_all(joined.regions),
        submitted_sha256=None if joined is None else joined.submitted.sha256,
        submitted_format=None if joined is None else given.format,
        created_at=now if given.at is None else given.at,
    )


def _offered(given: Given, answered: Assignment | None) -> int | None:
    """Return the number of the version that a label is to be compared with, if it is."""
    is_draft = given.state is LabelState.DRAFT
    return None if answered is None or is_draft else answered.offered


def submitted(
    tx: Connection, draft: Label, given: Given, answered: Assignment | None, note: str
) -> Label:
    """Make a draft submitted, as it is."""
    seconds = draft.seconds if given.seconds is None else given.seconds
    state = LabelState.SUBMITTED.value
    return label_rows.change(
        tx,
        draft.id,
        state=state,
        seconds=seconds,
        note=note[:500],
        compared_with=_offered(given, answered),
    )
