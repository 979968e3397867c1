"""The labels that a review found suspect and nobody has dealt with, worst first."""

from __future__ import annotations

import math
from dataclasses import dataclass

from limner.errors import InvalidRequest
from limner.loop.page import Page, checked_limit, decode_cursor, page_of
from limner.loop.projects import Projects
from limner.records import suspects as suspect_rows
from limner.records.database import Records
from limner.records.rows import Label, Sample, Suspect


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspected:
    """A suspect label with what it is of."""

    suspect: Suspect
    sample: Sample
    label: Label


class SuspectList:
    """The suspects of every project. Safe to use from any thread."""

    def __init__(self, records: Records, projects: Projects) -> None:
        self._records = records
        self._projects = projects

    def list(self, project: str, cursor: str | None = None, limit: int = 100) -> Page[Suspected]:
        """List a project's suspects, worst first.

        Raises:
            NotFound: There is no such project.
            InvalidRequest: The cursor is none of this list, or the limit none of a page.
        """
        after, limit = _place(cursor), checked_limit(limit)
        with self._records.read() as tx:
            found = self._projects.named(tx, project)
            rows = suspect_rows.page(tx, found.id, after=after, limit=limit + 1)
        suspected = [Suspected(suspect=a, sample=b, label=c) for a, b, c in rows]
        return page_of(suspected, limit, _cursor)


def _cursor(found: Suspected) -> str:
    return f"{found.suspect.score!r}/{found.suspect.label_id}"


def _place(cursor: str | None) -> tuple[float, int] | None:
    """Read score and label id of where a list goes on."""
    text = decode_cursor(cursor)
    if text is None:
        return None
    try:
        score, _, label_id = str(text).partition("/")
        place = float(score), int(label_id)
    except ValueError:
        place = math.nan, 0
    if not 0 <= place[0] <= 1 or not 0 < place[1] < 2**63:
        raise InvalidRequest(
            f"Cursor {str(cursor)[:100]!r} belongs to another list; take `next` of the page before."
        )
    return place
