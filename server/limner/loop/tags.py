"""Tags: versions that clients keep by name beside a sample's label itself, and their remarks.

A tag is a name such as `original`. What it names is a draft: kept for ever, but neither counted nor
learnt from. Given again, it is a new version; the newest that nobody rejected is what the tag
names. The label itself has no tag.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from limner.errors import InvalidRequest, NotFound
from limner.loop.events import Events
from limner.loop.projects import Projects
from limner.loop.standing import COUNTING, settle
from limner.loop.texts import checked_annotator
from limner.records import audit, remarks
from limner.records import labels as label_rows
from limner.records import samples as sample_rows
from limner.records import tags as tag_rows
from limner.records.database import Records
from limner.records.rows import Label, LabelState, Project, Sample, SampleState

MOST_REMARKS = 1 << 18
"""Bytes of JSON that may be kept with one label or sample."""

_TAG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._ -]{0,62}[A-Za-z0-9_-])?")


def checked_tag(tag: str) -> str:
    """Return a tag as it was given; it may be empty.

    Raises:
        InvalidRequest: Over 64 characters, or others than letters, digits, dots, dashes,
            underscores and inner spaces.
    """
    if tag and (not _TAG.fullmatch(tag) or ".." in tag):
        raise InvalidRequest(
            f"tag is {tag[:80]!r}; take at most 64 letters, digits, dots, dashes, underscores or "
            "inner spaces."
        )
    return tag


def checked_remarks(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return remarks as they were given.

    Raises:
        InvalidRequest: Over 256 KiB as JSON; or no JSON, as with a number that is not finite.
    """
    try:
        size = len(json.dumps(given, allow_nan=False))
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(
            f"What is to be kept with it cannot be written as JSON: {error}."
        ) from error
    if size > MOST_REMARKS:
        raise InvalidRequest(
            f"What is to be kept with it has {size:,} bytes as JSON; take at most {MOST_REMARKS:,}."
        )
    return dict(given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A label as a client finds it: what a tag names, or the label itself."""

    label: Label
    remarks: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A sample with all that is kept of it."""

    sample: Sample
    remarks: Mapping[str, Any]
    labels: Mapping[str, Kept] = field(default_factory=dict)
    """By tag; the label itself under the empty one."""
    is_predicted: bool = False
    """Whether a prediction of the serving version is stored."""


class Tags:
    """What clients keep of every sample. Safe to use from any thread."""

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

    def find(self, project: str, sample_id: int, tag: str) -> Kept | None:
        """Return what a tag names; the label itself for the empty one. None where nothing is.

        Raises:
            NotFound: There is no such project or sample.
        """
        with self._records.read() as tx:
            self._sample(self._projects.named(tx, project), sample_id, tx)
            label = newest(label_rows.of_sample(tx, sample_id)).get(tag)
            if label is None:
                return None
            return Kept(label=label, remarks=remarks.of_label(tx, label.id))

    def remarks(self, sample_id: int) -> dict[str, Any]:
        """Return the remarks on a sample."""
        with self._records.read() as tx:
            return remarks.of_sample(tx, sample_id)

    def remark_sample(self, project: str, sample_id: int, more: Mapping[str, Any]) -> None:
        """Add remarks to those on a sample; one of the same name takes the earlier one's place.

        Raises:
            NotFound: There is no such project or sample.
            InvalidRequest: They are too large, or no JSON.
        """
        with self._records.write() as tx:
            row = self._projects.named(tx, project, to_change=True)
            self._sample(row, sample_id, tx)
            joined = checked_remarks({**remarks.of_sample(tx, sample_id), **more})
            remarks.set_on_sample(tx, sample_id, joined)
        self._tell(row, sample_id)

    def remark_label(self, label_id: int, more: Mapping[str, Any], actor: str) -> None:
        """Add remarks to those on a label; the audit trail says which were changed.

        Raises:
            NotFound: There is no such label.
            InvalidRequest: They are too large, or no JSON.
        """
        checked_annotator(actor)
        with self._records.write() as tx:
            label = label_rows.find(tx, label_id)
            if label is None:
                raise NotFound(f"There is no label {label_id}.")
            self._projects.numbered(tx, label.project_id, to_change=True)
            joined = checked_remarks({**remarks.of_label(tx, label_id), **more})
            remarks.set_on_label(tx, label_id, joined)
            audit.write(
                tx,
                at=self._clock(),
                project_id=label.project_id,
                actor=actor,
                action="label.remarked",
                subject=f"label:{label_id}",
                details={"changed": sorted(more)},
            )

    def withdraw(self, project: str, sample_id: int, tag: str, actor: str) -> int:
        """Take back what a tag names, every version of it: they are rejected, and kept.

        Returns:
            How many were taken back.

        Raises:
            NotFound: There is no such project or sample.
        """
        checked_annotator(actor)
        with self._records.write() as tx:
            row = self._projects.named(tx, project, to_change=True)
            sample = self._sample(row, sample_id, tx)
            labels = label_rows.of_sample(tx, sample_id)
            taken = [each for each in labels if _is_shown(each) and each.tag == tag]
            for each in taken:
                label_rows.change(tx, each.id, state=LabelState.REJECTED.value)
                audit.write(
                    tx,
                    at=self._clock(),
                    project_id=row.id,
                    actor=actor,
                    action="label.withdrawn",
                    subject=f"label:{each.id}",
                    details={"sample": sample_id, "tag": tag, "was": each.state},
                )
            if taken and not tag:
                settle(tx, row, self._projects.settings(row), sample)
        if taken:
            self._tell(row, sample_id)
        return len(taken)

    def counts(self, project: str) -> dict[str, int]:
        """Count the samples for which each tag names something; the label itself is left out."""
        with self._records.read() as tx:
            return tag_rows.counts(tx, self._projects.named(tx, project).id)

    def page(self, project: str, after: int, limit: int) -> Sequence[Listed]:
        """List samples beyond an id with all that is kept of them, removed ones left out."""
        with self._records.read() as tx:
            row = self._projects.named(tx, project)
            samples = sample_rows.page(tx, row.id, after=after, limit=limit)
            ids = [each.id for each in samples]
            labels = {owner: newest(each) for owner, each in tag_rows.of_samples(tx, ids).items()}
            noted = remarks.of_samples(tx, ids)
            of_labels = remarks.of_labels(
                tx, [each.id for named in labels.values() for each in named.values()]
            )
            predicted = tag_rows.predicted(tx, row.serving_model_id, ids)
        return [
            Listed(
                sample=each,
                remarks=noted.get(each.id, {}),
                labels={
                    tag: Kept(label=label, remarks=of_labels.get(label.id, {}))
                    for tag, label in labels.get(each.id, {}).items()
                },
                is_predicted=each.id in predicted,
            )
            for each in samples
        ]

    def _sample(self, project: Project, sample_id: int, tx: Any) -> Sample:
        sample = sample_rows.find(tx, sample_id, project_id=project.id)
        if sample is None or sample.state == SampleState.REMOVED:
            raise NotFound(f"Project {project.name!r} has no sample {sample_id}.")
        return sample

    def _tell(self, project: Project, sample_id: int) -> None:
        self._events.publish("sample", project.name, {"id": sample_id, "change": "remarked"})


def newest(labels: Sequence[Label]) -> dict[str, Label]:
    """Return what each tag names, of one sample's labels, newest first; the empty one its label."""
    found: dict[str, Label] = {}
    for each in labels:
        if _is_shown(each):
            found.setdefault(each.tag, each)
    return found


def _is_shown(label: Label) -> bool:
    if label.tag:
        return label.state != LabelState.REJECTED
    return label.state in COUNTING
