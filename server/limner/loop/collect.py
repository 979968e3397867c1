"""Labels: taken in, checked, kept for ever, reviewed.

A label is never lost: whatever stands of its assignment, one that lies on its image is stored. Its
`note` says what was odd. The file is synced to disk before the label is recorded, and label,
assignment, sample, counts and audit entry are recorded in one transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from sqlalchemy import Connection

from limner.errors import Conflict, InvalidRequest, LimnerError, NotFound
from limner.loop.answering import Given, Joined, end_assignments
from limner.loop.drawn import check_drawn
from limner.loop.events import Events
from limner.loop.given_before import given_before
from limner.loop.label_versions import added, submitted
from limner.loop.projects import Projects
from limner.loop.regions import checked_region, joined_file, joined_regions
from limner.loop.standing import settle
from limner.loop.tags import checked_remarks, checked_tag
from limner.loop.texts import checked_annotator, checked_seconds
from limner.loop.uploads import received
from limner.plugin import Region
from limner.records import audit, remarks
from limner.records import descriptions as description_rows
from limner.records import labels as label_rows
from limner.records import samples as sample_rows
from limner.records.database import Records
from limner.records.rows import Label, LabelState, Project, Sample, SampleState
from limner.settings import Limits
from limner.stores.blobs import Blob, Blobs

log = logging.getLogger(__name__)

ADOPTED = "adopted"
"""Author of labels that were found finished in a folder."""

_GIVEN_STATES = (LabelState.DRAFT, LabelState.SUBMITTED)
_REVIEWED_STATES = (LabelState.APPROVED, LabelState.REJECTED)


class Retrains(Protocol):
    """Wants to know of new labels: `limner.loop.retrain.Retrain`."""

    def label_submitted(self, project: Project) -> object:
        """Take note that a project has a new submitted label."""
        ...


class Compares(Protocol):
    """Compares labels with what was offered: `limner.loop.corrections.Corrections`."""

    def wake(self) -> None:
        """Take note that there is a label to compare; costs no time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What became of a label that was given."""

    label: Label
    created: bool
    """False where it was there already: the same bytes by the same author."""


class Labels:
    """Every label of the server. Safe to use from any thread."""

    def __init__(
        self,
        records: Records,
        projects: Projects,
        blobs: Blobs,
        retrain: Retrains,
        events: Events,
        clock: Callable[[], float],
        limits: Limits,
        corrections: Compares,
    ) -> None:
        self._records = records
        self._projects = projects
        self._blobs = blobs
        self._retrain = retrain
        self._events = events
        self._clock = clock
        self._limits = limits
        self._corrections = corrections

    def submit(
        self,
        project: str,
        sample_id: int,
        *,
        file: BinaryIO,
        filename: str,
        annotator: str,
        assignment_id: int | None = None,
        seconds: float | None = None,
        state: str = LabelState.SUBMITTED.value,
        tag: str = "",
        remarks: Mapping[str, Any] | None = None,
        region: Region | None = None,
    ) -> Submitted:
        """Take a label in; when this returns, it is on disk for good.

        A draft keeps the assignment and the sample as they are. A submitted label ends whatever
        this annotator holds of the sample. The same bytes as the author's newest label of the
        sample are that label, unless it was rejected; a draft becomes submitted by it. Under a tag
        they are so only where nobody gave another one meanwhile.

        Args:
            project: Name of the project.
            sample_id: What was labelled.
            file: The label file, read once from where it stands.
            filename: Its name; the suffix says the format.
            annotator: Who drew it.
            assignment_id: Under which assignment, where there is one.
            seconds: How long it took, where known.
            state: `draft` or `submitted`.
            tag: Name of what is kept beside the label itself, always a draft; empty for the label.
            remarks: What the client wants kept with it; the newest ones hold.
            region: The part of the image that it is of, whatever was lent; None for all of it.
                What the file holds elsewhere does not count: there the sample's label stays as it
                is. The file is kept as it came, beside the label that it becomes a part of.

        Raises:
            InvalidRequest: A value cannot be used; an `ImageError` when it is the file.
            NotFound: There is no such project or sample.
            Conflict: The sample's image cannot be read, so no label can be checked against it; or
                a part was labelled of a sample that is labelled whole only.
            StorageFull: The disk is full; nothing was recorded.
        """
        checked_annotator(annotator)
        checked_seconds(seconds)
        if state not in _GIVEN_STATES:
            raise InvalidRequest(f"state is {state!r}; a label is given as draft or submitted.")
        if checked_tag(tag) and state != LabelState.DRAFT:
            raise InvalidRequest(f"Only a draft has a tag; {tag!r} was given with state {state!r}.")
        kept = checked_remarks(remarks or {})
        with self._records.read() as tx:
            row = self._projects.named(tx, project)
            sample = self._labelable(tx, row, sample_id)
        if region is not None:
            self._check_part(row, sample, region, state)
        task = self._projects.task(row)
        with received(file, filename, task, self._blobs, self._limits) as upload:
            note = self._check(row, sample, upload.path, upload.suffix)
            blob = self._blobs.put_file(upload.path, move=True)
        given = Given(
            author=annotator,
            state=LabelState(state),
            seconds=seconds,
            format=upload.suffix,
            assignment_id=assignment_id,
            note=note,
            tag=tag,
            remarks=kept,
        )
        if region is not None:
            return self._keep_part(row, sample, blob, given, region)
        return self._keep(row, sample_id, blob, given)

    def adopt(
        self,
        project: Project,
        sample: Sample,
        content: Path | bytes,
        *,
        suffix: str,
        origin: str,
        for_validation: bool = False,
        author: str = ADOPTED,
        tag: str = "",
        remarks: Mapping[str, Any] | None = None,
        at: float | None = None,
    ) -> Label:
        """Take in a finished label that was found; where it came from stays as it is.

        Args:
            project: The project.
            sample: The sample that it belongs to.
            content: Its file, or its bytes where it was one of many in a file.
            suffix: Its format.
            origin: Where it was found, for people.
            for_validation: Whether the sample joins the validation set.
            author: Who drew it, where that is known.
            tag: Name of what is kept beside the label itself, as a draft; empty for the label.
            remarks: What is to be kept with it.
            at: When it was drawn, in seconds since 1970; now where that is not known.

        Raises:
            InvalidRequest: The author's name, the tag or the remarks cannot be used.
            ImageError: It does not lie on its image.
            Conflict: The sample's image cannot be read.
        """
        checked_annotator(author)
        kept = checked_remarks(remarks or {})
        if isinstance(content, bytes):
            name = f"label{suffix}"
            task = self._projects.task(project)
            with received(BytesIO(content), name, task, self._blobs, self._limits) as upload:
                note = self._check(project, sample, upload.path, suffix)
                blob = self._blobs.put_file(upload.path, move=True)
        else:
            note = self._check(project, sample, content, suffix)
            blob = self._blobs.put_file(content)
        given = Given(
            author=author,
            state=LabelState.DRAFT if checked_tag(tag) else LabelState.SUBMITTED,
            seconds=None,
            format=suffix,
            assignment_id=None,
            note=note,
            adopted_from=origin,
            for_validation=for_validation,
            tag=tag,
            remarks=kept,
            at=at,
        )
        return self._keep(project, sample.id, blob, given, retrains=False).label

    def tell_retrain(self, project_id: int) -> None:
        """Let the retraining rule look at a project's new labels."""
        try:
            self._retrain.label_submitted(self._projects.of_id(project_id))
        except LimnerError as error:
            # The label is safe; that no training was queued must not look like its loss.
            log.warning("project %d: no training was asked for: %s", project_id, error)

    def list(self, project: str, sample_id: int) -> list[Label]:
        """List every version of a sample's label, newest first."""
        with self._records.read() as tx:
            row = self._projects.named(tx, project)
            sample = self._sample(tx, row, sample_id)
            return label_rows.of_sample(tx, sample.id)

    def get(self, label_id: int) -> Label:
        """Return a label.

        Raises:
            NotFound: There is none of that id.
        """
        with self._records.read() as tx:
            return self._found(tx, label_id)[0]

    def content(self, label_id: int) -> tuple[Path, Label]:
        """Return where a label's file lies: as it was submitted, or joined of parts."""
        label = self.get(label_id)
        return self._blobs.path(label.sha256), label

    def submitted_content(self, label_id: int) -> tuple[Path, str, str]:
        """Return file, SHA-256 and format of a label as it was handed in, before it was joined."""
        label = self.get(label_id)
        sha256 = label.submitted_sha256 or label.sha256
        return self._blobs.path(sha256), sha256, label.submitted_format or label.format

    def review(self, label_id: int, state: str, actor: str) -> Label:
        """Approve or reject a label that was submitted.

        A sample whose label is rejected counts with the one before, or waits for a new one.

        Raises:
            InvalidRequest: The state is neither `approved` nor `rejected`.
            NotFound: There is no such label.
            Conflict: The label is a draft, or has a tag.
        """
        if state not in _REVIEWED_STATES:
            raise InvalidRequest(f"state is {state!r}; a review says approved or rejected.")
        checked_annotator(actor)
        with self._records.write() as tx:
            label, project = self._found(tx, label_id, to_change=True)
            if label.tag:
                raise Conflict(
                    f"Label {label_id} is kept under the tag {label.tag!r} beside the label "
                    "itself, so it is not reviewed; submit it as the label first."
                )
            if label.state == LabelState.DRAFT:
                raise Conflict(f"Label {label_id} is a draft; its author has to submit it first.")
            if label.state == state:
                return label
            label = label_rows.change(tx, label.id, state=state)
            sample = self._sample(tx, project, label.sample_id)
            settle(tx, project, self._projects.settings(project), sample)
            self._audit(tx, project, actor, label)
        self._tell(project, label)
        return label

    def _check_part(self, project: Project, sample: Sample, region: Region, state: str) -> None:
        """Refuse a label of a part where it would not be understood as one."""
        checked_region(region, sample)
        if state == LabelState.DRAFT:
            raise InvalidRequest(
                "A draft is kept as it is; give the region when the label is submitted."
            )
        if not self._projects.takes_parts(project):
            raise Conflict(
                f"App {project.app!r} does not learn from parts of images, or project "
                f"{project.name!r} asks for several readings; label the whole image."
            )
        if sample.is_validation:
            raise Conflict(
                f"Sample {sample.id} is of the validation set, whose images are labelled whole; "
                "submit it without region."
            )

    def _keep_part(
        self, project: Project, sample: Sample, blob: Blob, given: Given, region: Region
    ) -> Submitted:
        """Join a label of a part with the sample's label, and again where that changed."""
        source = self._projects.source(project, sample)
        while True:
            with self._records.read() as tx:
                fresh = self._sample(tx, project, sample.id)
                base = None if fresh.label_id is None else label_rows.find(tx, fresh.label_id)
                known = given_before(label_rows.of_sample(tx, sample.id), blob, given, region)
            if known is not None:
                return Submitted(label=known, created=False)
            before = None if base is None else (self._blobs.path(base.sha256), base.format)
            file = (self._blobs.path(blob.sha256), given.format)
            joined = Joined(
                region=region,
                regions=joined_regions(base, region, tuple(sample.shape or ())),
                base_id=None if base is None else base.id,
                submitted=blob,
            )
            whole = self._blobs.put_bytes(joined_file(file, before, region, source))
            try:
                return self._keep(project, sample.id, whole, replace(given, joined=joined))
            except _Overtaken:
                continue

    def _labelable(self, tx: Connection, project: Project, sample_id: int) -> Sample:
        sample = self._sample(tx, project, sample_id)
        if sample.shape is None or sample.state == SampleState.UNREADABLE:
            raise Conflict(
                f"Sample {sample.id} ({sample.name}) cannot be labelled: its image cannot be read "
                f"({sample.reason or 'no header is known'}). Repair the file first."
            )
        return sample

    def _sample(self, tx: Connection, project: Project, sample_id: int) -> Sample:
        sample = sample_rows.find(tx, sample_id, project_id=project.id)
        if sample is None or sample.state == SampleState.REMOVED:
            raise NotFound(f"Project {project.name!r} has no sample {sample_id}.")
        return sample

    def _check(self, project: Project, sample: Sample, path: Path, suffix: str) -> str:
        source = self._projects.source(project, sample)
        schema = self._projects.schema(project)
        task = self._projects.task(project)
        return check_drawn(path, suffix, source, sample, schema, task, self._limits)

    def _keep(
        self, project: Project, sample_id: int, blob: Blob, given: Given, *, retrains: bool = True
    ) -> Submitted:
        with self._records.write() as tx:
            project = self._projects.numbered(tx, project.id, to_change=True)
            sample = self._sample(tx, project, sample_id)
            submitted, is_news = self._record(tx, project, sample, blob, given)
        if is_news:
            self._tell(project, submitted.label)
            if submitted.label.compared_with is not None:
                self._corrections.wake()
            if retrains and submitted.label.state == LabelState.SUBMITTED:
                self.tell_retrain(project.id)
        return submitted

    def _record(
        self, tx: Connection, project: Project, sample: Sample, blob: Blob, given: Given
    ) -> tuple[Submitted, bool]:
        """Record a label and all that follows from it; tell whether anything is new."""
        now = self._clock()
        if given.joined is not None and sample.label_id != given.joined.base_id:
            raise _Overtaken
        answered, note = end_assignments(tx, sample, given, now)
        labels = label_rows.of_sample(tx, sample.id)
        known = None if given.joined is not None else given_before(labels, blob, given)
        is_draft = known is not None and known.state == LabelState.DRAFT
        submits = given.state is LabelState.SUBMITTED
        # A draft that somebody's label has overtaken becomes a version of its own, the newest.
        created = known is None or (submits and is_draft and known.id != labels[0].id)
        is_news = created or (submits and is_draft)
        if created:
            version = labels[0].version + 1 if labels else 1
            label = added(tx, sample, version, blob, given, answered, note, now)
            labels = [label, *labels]
        elif known is not None:
            label = submitted(tx, known, given, answered, note) if is_news else known
            labels = [label if each.id == label.id else each for each in labels]
        values = {"is_validation": True} if given.for_validation and is_news else {}
        if submits:
            settle(
                tx,
                project,
                self._projects.settings(project),
                sample,
                labels=labels,
                opens=is_news and sample.state == SampleState.SET_ASIDE,
                new_labels=int(is_news),
                **values,
            )
        if given.joined is not None:
            # What was said of the sample is of a part that is labelled by now.
            description_rows.forget_sample(tx, sample.id)
        if given.remarks:
            remarks.set_on_label(tx, label.id, given.remarks)
        if is_news:
            self._audit(tx, project, given.author, label)
        return Submitted(label=label, created=created), is_news

    def _found(
        self, tx: Connection, label_id: int, *, to_change: bool = False
    ) -> tuple[Label, Project]:
        label = label_rows.find(tx, label_id)
        if label is None:
            raise NotFound(f"There is no label {label_id}.")
        return label, self._projects.numbered(tx, label.project_id, to_change=to_change)

    def _audit(self, tx: Connection, project: Project, actor: str, label: Label) -> None:
        audit.write(
            tx,
            at=self._clock(),
            project_id=project.id,
            actor=actor,
            action=f"label.{label.state}",
            subject=f"label:{label.id}",
            details={
                "sample": label.sample_id,
                "version": label.version,
                "author": label.author,
                "sha256": label.sha256,
                "assignment": label.assignment_id,
                "note": label.note,
            },
        )

    def _tell(self, project: Project, label: Label) -> None:
        data = {"id": label.id, "sample": label.sample_id, "state": label.state}
        self._events.publish("label", project.name, data)


class _Overtaken(Exception):
    """Another label came while one was being joined with the label before."""
