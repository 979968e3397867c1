"""Assignments: lending samples to annotators for a time, and taking them back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from limner.errors import Conflict, LimnerError, NotFound
from limner.loop.events import Events
from limner.loop.jobs import Jobs
from limner.loop.picking import Choice, choose, orders, unqueued, why_nothing
from limner.loop.projects import Projects
from limner.loop.regions import lent_region, stored
from limner.loop.texts import checked_annotator, checked_text
from limner.records import ahead, audit, counts
from limner.records import assignments as assignment_rows
from limner.records import projects as project_rows
from limner.records import queue as queue_rows
from limner.records import samples as sample_rows
from limner.records.database import Records
from limner.records.rows import (
    Assignment,
    AssignmentState,
    JobKind,
    Project,
    Purpose,
    QueueEntry,
    Sample,
    SampleState,
)
from limner.settings import ProjectSettings

log = logging.getLogger(__name__)

LOW_QUEUE = 0.2
"""Below this share of the queue's full length the strategy is asked for more picks."""

ASK_EVERY_S = 5.0
"""How often at most: a strategy that fails must not be asked at every hand-out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """A sample lent to an annotator."""

    project: str
    """Name of the project."""
    assignment: Assignment
    sample: Sample
    model_number: int | None
    """Number of the version that serves; None before there is one."""
    is_predicted: bool
    """Whether its prediction of this very image is stored already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """There is no sample for this annotator now."""

    reason: str
    """Why, in words for the annotator."""


class Assignments:
    """Who holds which sample. Safe to use from any thread."""

    def __init__(
        self,
        records: Records,
        projects: Projects,
        jobs: Jobs,
        events: Events,
        clock: Callable[[], float],
    ) -> None:
        self._records = records
        self._projects = projects
        self._jobs = jobs
        self._events = events
        self._clock = clock
        self._asked: dict[int, float] = {}
        self._asked_lock = threading.Lock()

    def next(
        self,
        project: str,
        annotator: str,
        strategy: str | None = None,
        *,
        makes_room: bool = False,
    ) -> Lent | Nothing:
        """Lend the next sample to an annotator: one short transaction, whatever the pool's size.

        Args:
            project: Name of the project.
            annotator: Who gets it.
            strategy: The project's own where nothing is said; or `random` or `first`, for the
                pool in its random order or in that of the names.
            makes_room: Whether an annotator who holds as many samples as one may gives back the
                one held longest, or gets it again where no other is free; without that there is
                nothing for them.

        Raises:
            InvalidRequest: The annotator's name cannot be used.
            NotFound: There is no such project, or no such strategy to ask for.
        """
        checked_annotator(annotator)
        now = self._clock()
        with self._records.write() as tx:
            row = self._projects.named(tx, project, to_change=True)
            settings = self._projects.settings(row)
            if strategy is not None and strategy not in orders(settings):
                raise NotFound(
                    f"Project {project} hands out by {', '.join(orders(settings))}, not by "
                    f"{strategy[:64]!r}; another strategy is chosen in its settings."
                )
            row = self._take_back_overdue(tx, row, settings, now)
            held = assignment_rows.held_count(tx, row.id, annotator)
            is_full = held >= settings.max_held
            if is_full and not makes_room:
                return Nothing(
                    reason=f"You hold {held} samples; submit, release or skip one first."
                )
            choice = choose(tx, row, settings, annotator, strategy)
            wants_picks = self._wants_picks(tx, row, settings, now)
            longest = assignment_rows.held_longest(tx, row.id, annotator) if is_full else None
            answer: Lent | Nothing
            if choice is not None:
                answer = self._lend(tx, row, settings, choice, annotator, now)
                if longest is not None:
                    # Given back only now, so that it is not what they get again.
                    self._end(tx, longest, AssignmentState.RELEASED, now)
                    self._put_back(tx, row, longest)
            elif longest is not None:
                answer = self._lend_again(tx, row, settings, longest, now)
            else:
                answer = Nothing(reason=why_nothing(tx, row, annotator))
        if wants_picks:
            self._ask_for_picks(row)
        if isinstance(answer, Lent):
            self._tell(row, answer.sample.id, "lent")
        return answer

    def get(self, assignment_id: int) -> Assignment:
        """Return an assignment.

        Raises:
            NotFound: There is none of that id.
        """
        with self._records.read() as tx:
            return self._found(tx, assignment_id)[0]

    def held(self, project: str, annotator: str) -> list[Assignment]:
        """List what an annotator holds in a project, oldest first."""
        with self._records.read() as tx:
            row = self._projects.named(tx, project)
            return assignment_rows.held_by(tx, row.id, annotator)

    def shown(self, assignment_id: int) -> Lent:
        """Return an assignment with its sample and, while it is held, what serves.

        Raises:
            NotFound: There is none of that id.
        """
        with self._records.read() as tx:
            assignment, project = self._found(tx, assignment_id)
            sample = sample_rows.find(tx, assignment.sample_id)
            assert sample is not None  # noqa: S101 - no sample is deleted while it is referred to
            is_held = assignment.state == AssignmentState.HELD
            found = ahead.offered(tx, project, sample) if is_held else None
        return _lent(project, assignment, sample, found)

    def renew(self, assignment_id: int) -> Assignment:
        """Lend the same sample for the full time again, from now on.

        An assignment that has expired is taken up again as long as nobody else took the sample.

        Raises:
            NotFound: There is none of that id.
            Conflict: It has ended, or somebody else took the sample meanwhile.
        """
        now = self._clock()
        with self._records.write() as tx:
            assignment, project = self._found(tx, assignment_id, to_change=True)
            settings = self._projects.settings(project)
            expires_at = now + settings.lease_minutes * 60
            if assignment.state == AssignmentState.HELD:
                return assignment_rows.change(tx, assignment.id, expires_at=expires_at)
            if assignment.state != AssignmentState.EXPIRED:
                raise Conflict(
                    f"Assignment {assignment_id} is {assignment.state}; ask for the next sample."
                )
            sample = sample_rows.find(tx, assignment.sample_id)
            held = assignment_rows.held_on(tx, assignment.sample_id)
            slot = free_slot(held, settings.readings)
            if (
                sample is None
                or sample.state != SampleState.READY
                or sample.readings + len(held) >= settings.readings
                or any(each.annotator == assignment.annotator for each in held)
            ):
                raise Conflict(
                    f"Assignment {assignment_id} expired and its sample has been taken since; ask "
                    "for the next sample. A label drawn meanwhile can still be submitted."
                )
            if sample.readings + len(held) + 1 >= settings.readings:
                removed = queue_rows.remove(tx, sample.id)
                project_rows.add_counts(tx, project.id, {"queued": -removed})
            return assignment_rows.change(
                tx,
                assignment.id,
                state=AssignmentState.HELD.value,
                slot=slot,
                expires_at=expires_at,
                ended_at=None,
            )

    def release(self, assignment_id: int) -> Assignment:
        """Give a sample back unlabelled: it takes its place in the queue again.

        Releasing what was released or has expired already changes nothing.

        Raises:
            NotFound: There is none of that id.
            Conflict: A label or a skip has ended it.
        """
        now = self._clock()
        with self._records.write() as tx:
            assignment, project = self._found(tx, assignment_id, to_change=True)
            if assignment.state in (AssignmentState.RELEASED, AssignmentState.EXPIRED):
                return assignment
            if assignment.state != AssignmentState.HELD:
                raise Conflict(f"Assignment {assignment_id} is {assignment.state} already.")
            released = self._end(tx, assignment, AssignmentState.RELEASED, now)
            self._put_back(tx, project, assignment)
        self._tell(project, assignment.sample_id, "released")
        return released

    def skip(self, assignment_id: int, reason: str) -> Assignment:
        """Pass a sample over, saying why: this annotator does not get it again.

        The sample goes to the end of the queue; skipped by as many annotators as the settings
        say, it is set aside until somebody looks at it.

        Raises:
            InvalidRequest: The reason is too long or has control characters.
            NotFound: There is none of that id.
            Conflict: A label, a release or a skip has ended it.
        """
        reason = checked_text("reason", reason, 500)
        now = self._clock()
        with self._records.write() as tx:
            assignment, project = self._found(tx, assignment_id, to_change=True)
            if assignment.state not in (AssignmentState.HELD, AssignmentState.EXPIRED):
                raise Conflict(f"Assignment {assignment_id} is {assignment.state} already.")
            was_held = assignment.state == AssignmentState.HELD
            skipped = self._end(tx, assignment, AssignmentState.SKIPPED, now)
            is_aside = self._count_skip(tx, project, assignment, reason, now)
            if was_held and not is_aside:
                self._put_back(tx, project, assignment, last=True)
            audit.write(
                tx,
                at=now,
                project_id=project.id,
                actor=assignment.annotator,
                action="sample.skipped",
                subject=f"sample:{assignment.sample_id}",
                details={"assignment": assignment.id, "reason": reason, "set_aside": is_aside},
            )
        self._tell(project, assignment.sample_id, "set_aside" if is_aside else "skipped")
        return skipped

    def _lend(
        self,
        tx: Connection,
        project: Project,
        settings: ProjectSettings,
        choice: Choice,
        annotator: str,
        now: float,
    ) -> Lent:
        sample = choice.sample
        held = assignment_rows.held_on(tx, sample.id) if settings.readings > 1 else []
        changes = {"next_calls": 1}
        is_validation = choice.purpose is Purpose.VALIDATION
        if is_validation and not sample.is_validation:
            sample = sample_rows.change(tx, sample.id, is_validation=True)
        is_full = sample.readings + len(held) + 1 >= settings.readings
        if is_validation or is_full:  # what was asked for by another order may be queued as well
            changes["queued"] = -queue_rows.remove(tx, sample.id)
        offered = ahead.offered(tx, project, sample)
        assignment = assignment_rows.add(
            tx,
            project_id=project.id,
            sample_id=sample.id,
            annotator=annotator,
            state=AssignmentState.HELD.value,
            slot=free_slot(held, settings.readings),
            purpose=choice.purpose.value,
            strategy=choice.strategy,
            arm=choice.arm,
            score=choice.score,
            reason=choice.reason,
            position=choice.position,
            offered=None if offered is None else offered[0],
            region=stored(lent_region(tx, settings, sample, choice.region)),
            created_at=now,
            expires_at=now + settings.lease_minutes * 60,
        )
        project_rows.add_counts(tx, project.id, changes)
        return _lent(project, assignment, sample, offered)

    def _lend_again(
        self,
        tx: Connection,
        project: Project,
        settings: ProjectSettings,
        held: Assignment,
        now: float,
    ) -> Lent:
        """Lend an annotator what they hold for the full time from now on."""
        expires_at = now + settings.lease_minutes * 60
        sample = sample_rows.find(tx, held.sample_id)
        assert sample is not None  # noqa: S101 - no sample is deleted while it is referred to
        offered = ahead.offered(tx, project, sample)
        number = None if offered is None else offered[0]
        assignment = assignment_rows.change(tx, held.id, expires_at=expires_at, offered=number)
        return _lent(project, assignment, sample, offered)

    def _take_back_overdue(
        self, tx: Connection, project: Project, settings: ProjectSettings, now: float
    ) -> Project:
        latest = now + settings.lease_minutes * 60
        # One second more, for what was lent at this very instant under another clock reading.
        untimely = assignment_rows.untimely(tx, project.id, now=now, latest=latest + 1)
        for each in untimely:
            if each.expires_at > now:
                # The clock was set back: without this it would be lent for as long again.
                assignment_rows.change(tx, each.id, expires_at=latest)
                continue
            self._end(tx, each, AssignmentState.EXPIRED, now)
            self._put_back(tx, project, each)
        return self._projects.numbered(tx, project.id) if untimely else project

    def _end(
        self, tx: Connection, assignment: Assignment, state: AssignmentState, now: float
    ) -> Assignment:
        return assignment_rows.change(tx, assignment.id, state=state.value, ended_at=now)

    def _put_back(
        self, tx: Connection, project: Project, assignment: Assignment, *, last: bool = False
    ) -> None:
        """Queue a sample again that came from the queue and can still be handed out."""
        if assignment.position is None:
            return
        sample = sample_rows.find(tx, assignment.sample_id)
        if sample is None or sample.state != SampleState.READY or sample.is_validation:
            return
        entry = QueueEntry(
            sample_id=assignment.sample_id,
            strategy=assignment.strategy,
            score=assignment.score,
            reason=assignment.reason,
            model_id=None,
            arm=assignment.arm,
            region=assignment.region,
        )
        if last:
            added = queue_rows.put_last(tx, project.id, entry)
        else:
            added = queue_rows.put_back(tx, project.id, entry, assignment.position)
        project_rows.add_counts(tx, project.id, {"queued": added})

    def _count_skip(
        self, tx: Connection, project: Project, assignment: Assignment, reason: str, now: float
    ) -> bool:
        """Record a skip; tell whether the sample is set aside by it."""
        sample = sample_rows.find(tx, assignment.sample_id)
        if sample is None or not assignment_rows.skip(tx, assignment, reason=reason, at=now):
            return False
        values: dict[str, object] = {"skips": sample.skips + 1}
        most = self._projects.settings(project).skips_until_set_aside
        is_aside = sample.state == SampleState.READY and sample.skips + 1 >= most
        if is_aside:
            values["state"] = SampleState.SET_ASIDE.value
            last = f"; the last one said: {reason}" if reason else ""
            values["reason"] = f"skipped by {sample.skips + 1}{last}"[:500]
        after = sample_rows.change(tx, sample.id, **values)
        changes = counts.change(sample, after)
        if is_aside:
            changes["queued"] -= queue_rows.remove(tx, sample.id)
        project_rows.add_counts(tx, project.id, changes)
        return is_aside

    def _wants_picks(
        self, tx: Connection, project: Project, settings: ProjectSettings, now: float
    ) -> bool:
        if project.queued >= LOW_QUEUE * settings.queue_length:
            return False
        with self._asked_lock:
            # A clock that was set back must not silence the question.
            if abs(now - self._asked.get(project.id, float("-inf"))) < ASK_EVERY_S:
                return False
        return unqueued(tx, project) > 0

    def _ask_for_picks(self, project: Project) -> None:
        with self._asked_lock:
            self._asked[project.id] = self._clock()
        try:
            self._jobs.ensure(project.id, JobKind.SCORE)
        except LimnerError as error:
            # The sample is lent; that the queue is not refilled now must not take it away.
            log.warning("project %s: no new picks were asked for: %s", project.name, error)

    def _found(
        self, tx: Connection, assignment_id: int, *, to_change: bool = False
    ) -> tuple[Assignment, Project]:
        assignment = assignment_rows.find(tx, assignment_id)
        if assignment is None:
            raise NotFound(f"There is no assignment {assignment_id}.")
        project = self._projects.numbered(tx, assignment.project_id, to_change=to_change)
        return assignment, project

    def _tell(self, project: Project, sample_id: int, change: str) -> None:
        self._events.publish("sample", project.name, {"id": sample_id, "change": change})


def _lent(
    project: Project, assignment: Assignment, sample: Sample, offered: tuple[int, bool] | None
) -> Lent:
    number, is_predicted = offered or (None, False)
    return Lent(
        project=project.name,
        assignment=assignment,
        sample=sample,
        model_number=number,
        is_predicted=is_predicted,
    )


def free_slot(held: list[Assignment], readings: int) -> int:
    """Return the first slot of a sample that nobody holds."""
    taken = {each.slot for each in held}
    return next((slot for slot in range(readings) if slot not in taken), readings)
