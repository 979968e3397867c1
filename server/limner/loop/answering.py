"""How a label answers an assignment: which ones it ends, and what was odd about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from limner.plugin import Region
from limner.records import assignments as assignment_rows
from limner.records.rows import Assignment, AssignmentState, LabelState, Sample
from limner.stores.blobs import Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """How a label for a part of an image was joined with the label before."""

    region: Region
    regions: tuple[Region, ...] | None
    """All that the label is of by now; None for the whole image."""
    base_id: int | None
    """The label that it was joined with; None where there was none."""
    submitted: Blob
    """The file as it was handed in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A label as it was given, beside its file."""

    author: str
    state: LabelState
    seconds: float | None
    format: str
    assignment_id: int | None
    note: str
    """What was odd about its file; empty where nothing was."""
    adopted_from: str | None = None
    for_validation: bool = False
    """Whether the sample is drawn for the validation set by this label."""
    tag: str = ""
    """Under which name a client keeps it beside the label itself; empty for the label itself."""
    remarks: Mapping[str, Any] = field(default_factory=dict)
    """What a client wants kept with it."""
    at: float | None = None
    """When it was given; now where nothing is said."""
    joined: Joined | None = None
    """What it was joined with, where it was given for a part; None for a whole image."""


def end_assignments(
    tx: Connection, sample: Sample, given: Given, now: float
) -> tuple[Assignment | None, str]:
    """End what the author holds of a sample, unless the label is a draft.

    Returns:
        The assignment that the label answers, if any, and the note for the label: also what is odd
        about the assignment that was named. Nothing about it ever refuses the label.
    """
    mine = [
        each for each in assignment_rows.held_on(tx, sample.id) if each.annotator == given.author
    ]
    answered = mine[0] if mine else None
    notes = [given.note] if given.note else []
    if given.assignment_id is not None:
        named = next((each for each in mine if each.id == given.assignment_id), None)
        named = named or assignment_rows.find(tx, given.assignment_id)
        oddity = _oddity(named, sample, given, now)
        if oddity:
            notes.append(f"assignment {given.assignment_id} {oddity}")
        if named is not None and _is_for(named, sample, given):
            answered = named
            mine = [named, *(each for each in mine if each.id != named.id)]
    if given.state is not LabelState.DRAFT:
        for each in mine:
            if each.state in (AssignmentState.HELD, AssignmentState.EXPIRED):
                done = AssignmentState.DONE.value
                assignment_rows.change(tx, each.id, state=done, ended_at=now)
    return answered, "; ".join(notes)


def _is_for(assignment: Assignment, sample: Sample, given: Given) -> bool:
    return assignment.sample_id == sample.id and assignment.annotator == given.author


def _oddity(named: Assignment | None, sample: Sample, given: Given, now: float) -> str:
    if named is None:
        return "does not exist"
    if named.sample_id != sample.id:
        return f"is for sample {named.sample_id}"
    if named.annotator != given.author:
        return "was lent to another annotator"
    if named.state == AssignmentState.EXPIRED or (
        named.state == AssignmentState.HELD and named.expires_at <= now
    ):
        return "had expired"
    if named.state in (AssignmentState.RELEASED, AssignmentState.SKIPPED):
        return f"had been {named.state}"
    return ""
