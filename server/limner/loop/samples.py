"""Samples: looked up, listed, taken in by upload, set aside, made ready again, removed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Connection

from limner.errors import Conflict, InvalidRequest, NotFound
from limner.images import Header
from limner.loop.events import Events
from limner.loop.intake import Intake
from limner.loop.page import Page, checked_limit, decode_cursor, page_of
from limner.loop.projects import Projects
from limner.loop.standing import close, settle
from limner.loop.texts import checked_annotator, checked_text
from limner.records import assignments as assignment_rows
from limner.records import audit
from limner.records import labels as label_rows
from limner.records import samples as sample_rows
from limner.records.database import Records
from limner.records.rows import AssignmentState, Project, Sample, SampleState

_NOT_THERE = {
    SampleState.VANISHED: "its file is gone",
    SampleState.UNREADABLE: "its file cannot be read",
}


class Samples:
    """The samples of every project. Safe to use from any thread."""

    def __init__(
        self,
        records: Records,
        projects: Projects,
        events: Events,
        clock: Callable[[], float],
    ) -> None:
        self._records = records
        self._projects = projects
        self._events = events
        self._clock = clock
        self._intake = Intake(records, projects, clock)

    def get(self, project: str, sample_id: int) -> Sample:
        """Return a sample.

        Raises:
            NotFound: The project has none of that id.
        """
        with self._records.read() as tx:
            return self._found(tx, self._projects.named(tx, project), sample_id)

    def named(self, project: str, name: str) -> Sample:
        """Return a sample by its name.

        Raises:
            NotFound: The project has none of that name.
        """
        with self._records.read() as tx:
            row = self._projects.named(tx, project)
            sample = sample_rows.by_name(tx, row.id, name)
        if sample is None or sample.state == SampleState.REMOVED:
            raise NotFound(f"Project {project!r} has no sample called {name[:200]!r}.")
        return sample

    def list(
        self,
        project: str,
        cursor: str | None = None,
        limit: int = 100,
        state: str | None = None,
        name: str | None = None,
    ) -> Page[Sample]:
        """List samples in the order they were taken in, or of their names.

        Args:
            project: Name of the project.
            cursor: `next` of the page before.
            limit: How many at most.
            state: Only those in this state; None for all but removed ones.
            name: Only those whose name begins so, in the order of their names.

        Raises:
            InvalidRequest: A state that there is not, or a cursor of another list.
        """
        if state is not None and state not in set(SampleState):
            states = ", ".join(each.value for each in SampleState)
            raise InvalidRequest(f"state is {state[:50]!r}; take one of {states}.")
        name = name or None
        after = decode_cursor(cursor)
        if after is not None and isinstance(after, str) != (name is not None):
            raise InvalidRequest("The cursor belongs to another list; begin without one.")
        with self._records.read() as tx:
            row = self._projects.named(tx, project)
            rows = sample_rows.page(
                tx,
                row.id,
                after=after,
                limit=checked_limit(limit) + 1,
                state=None if state is None else SampleState(state),
                prefix=name,
            )
        return page_of(rows, limit, lambda each: each.id if name is None else each.name)

    def change(
        self,
        project: str,
        sample_id: int,
        *,
        state: str | None = None,
        note: str | None = None,
        actor: str,
    ) -> Sample:
        """Set a sample aside, make it ready again, or note something about it.

        One that was skipped too often and is made ready may be handed to anybody again, those
        included who skipped it. One that has enough labels becomes labelled.

        Args:
            project: Name of the project.
            sample_id: Which sample.
            state: `ready` or `set_aside`; None leaves it.
            note: Why; shown as the sample's reason.
            actor: Who asks for it.

        Raises:
            InvalidRequest: Another state, or a note that cannot be used.
            NotFound: The project has no such sample.
            Conflict: Its file is gone or cannot be read, so it cannot be made ready.
        """
        checked_annotator(actor)
        reason = None if note is None else checked_text("note", note, 500)
        if state not in (None, SampleState.READY, SampleState.SET_ASIDE):
            raise InvalidRequest(f"state is {state!r}; a sample is made ready or set_aside.")
        with self._records.write() as tx:
            row = self._projects.named(tx, project, to_change=True)
            before = self._found(tx, row, sample_id, removed=state == SampleState.READY)
            after = before
            if state == SampleState.SET_ASIDE:
                after = close(tx, row, before, SampleState.SET_ASIDE, reason=reason or "")
            elif state == SampleState.READY:
                after = self._make_ready(tx, row, before)
            if reason is not None and state != SampleState.SET_ASIDE:
                after = sample_rows.change(tx, before.id, reason=reason)
            if after != before:
                details = {"state": after.state, "note": reason}
                self._audit(tx, row, actor, "sample.changed", before, details)
        self._tell(row, after)
        return after

    def delete(self, project: str, sample_id: int, actor: str) -> None:
        """Take a sample out. Its file stays in the store, and is not taken in again.

        Raises:
            NotFound: The project has no such sample.
            Conflict: It has labels, which are never thrown away.
        """
        checked_annotator(actor)
        now = self._clock()
        with self._records.write() as tx:
            row = self._projects.named(tx, project, to_change=True)
            before = self._found(tx, row, sample_id)
            if label_rows.of_sample(tx, before.id):
                raise Conflict(
                    f"Sample {before.id} ({before.name}) has labels, which are kept for ever; set "
                    "it aside instead."
                )
            for each in assignment_rows.held_on(tx, before.id):
                released = AssignmentState.RELEASED.value
                assignment_rows.change(tx, each.id, state=released, ended_at=now)
            after = close(tx, row, before, SampleState.REMOVED, reason=f"removed by {actor}"[:500])
            self._audit(tx, row, actor, "sample.removed", before, {"name": before.name})
        self._tell(row, after)

    def add(self, project: str, filename: str, stream: BinaryIO, actor: str) -> Sample:
        """Put an uploaded image into the store and take it in as a sample.

        Raises:
            InvalidRequest: The file name, or the file as an image, cannot be used.
            Conflict: There is a file of that name already.
            StorageFull: The disk is full.
        """
        checked_annotator(actor)
        row = self._projects.get(project)
        entry = self._projects.store(row).add(filename, stream, self._projects.limits)
        self._intake.take_in(row, [entry])
        with self._records.write() as tx:
            sample = sample_rows.by_name(tx, row.id, entry.name)
            if sample is None:
                raise Conflict(f"{filename!r} vanished from the store while it was taken in.")
            self._audit(tx, row, actor, "sample.uploaded", sample, {"name": sample.name})
        self._tell(row, sample)
        return sample

    def header(self, project: str, sample_id: int) -> Header:
        """Read the header of a sample's image from its file.

        Raises:
            NotFound: The project has no such sample.
            ImageError: The file cannot be read.
        """
        with self._records.read() as tx:
            row = self._projects.named(tx, project)
            sample = self._found(tx, row, sample_id)
        return self._projects.source(row, sample).header()

    def image_paths(self, project: str, sample_id: int) -> tuple[Path, ...]:
        """Return where a sample's files lie: one, or one for each channel.

        Raises:
            NotFound: The project has no such sample.
        """
        with self._records.read() as tx:
            row = self._projects.named(tx, project)
            sample = self._found(tx, row, sample_id)
        return self._projects.source(row, sample).paths

    def _make_ready(self, tx: Connection, project: Project, sample: Sample) -> Sample:
        why_not = _NOT_THERE.get(SampleState(sample.state))
        if why_not is not None or sample.shape is None:
            raise Conflict(
                f"Sample {sample.id} ({sample.name}) cannot be made ready: "
                f"{why_not or 'its file cannot be read'}. Repair the file; it is then taken in by "
                "itself."
            )
        if sample.state in (SampleState.READY, SampleState.LABELLED):
            return sample
        assignment_rows.forget_skips(tx, sample.id)
        settings = self._projects.settings(project)
        return settle(tx, project, settings, sample, opens=True, skips=0)

    def _found(
        self, tx: Connection, project: Project, sample_id: int, *, removed: bool = False
    ) -> Sample:
        sample = sample_rows.find(tx, sample_id, project_id=project.id)
        if sample is None or (sample.state == SampleState.REMOVED and not removed):
            raise NotFound(f"Project {project.name!r} has no sample {sample_id}.")
        return sample

    def _audit(
        self,
        tx: Connection,
        project: Project,
        actor: str,
        action: str,
        sample: Sample,
        details: dict[str, Any],
    ) -> None:
        audit.write(
            tx,
            at=self._clock(),
            project_id=project.id,
            actor=actor,
            action=action,
            subject=f"sample:{sample.id}",
            details=details,
        )

    def _tell(self, project: Project, sample: Sample) -> None:
        self._events.publish("sample", project.name, {"id": sample.id, "change": sample.state})
