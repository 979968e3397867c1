"""Which labels a training learns from: taken once, so that one that goes on sees the same."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from limner.engine import CaseSource
from limner.loop.projects import Projects
from limner.loop.regions import of_label
from limner.records import labels as label_rows
from limner.records import training_labels
from limner.records.rows import Label, Project, Sample
from limner.stores.blobs import Blobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Ids of the labels of one training, as its job keeps them."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    consumed: int
    """New labels that this training answers to: they start no other one."""

    @classmethod
    def take(cls, tx: Connection, project: Project) -> Snapshot:
        """Take the newest finished label of every sample, apart by what it is for."""
        train: list[int] = []
        validation: list[int] = []
        after = 0
        while found := label_rows.current(tx, project.id, after=after):
            for label, sample in found:
                (validation if sample.is_validation else train).append(label.id)
                after = label.id
        return cls(
            train=tuple(train),
            validation=tuple(validation),
            consumed=project.labels_since_training,
        )

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Snapshot:
        """Read what `as_json` wrote."""
        return cls(
            train=tuple(stored["train"]),
            validation=tuple(stored["validation"]),
            consumed=int(stored["consumed"]),
        )

    def as_json(self) -> dict[str, Any]:
        """Return plain values for the job's row."""
        return {
            "train": list(self.train),
            "validation": list(self.validation),
            "consumed": self.consumed,
        }

    @property
    def learnt(self) -> tuple[int, ...]:
        """Labels that the version is trained on: all of them where there is only validation."""
        return self.train or self.validation

    @property
    def measured(self) -> tuple[int, ...]:
        """Labels that the version never sees."""
        return self.validation if self.train else ()


def case_sources(
    tx: Connection,
    project: Project,
    label_ids: Sequence[int],
    *,
    projects: Projects,
    blobs: Blobs,
    known: Container[int] = (),
) -> dict[int, CaseSource]:
    """Return cases by label id; samples whose image is not at hand any more are left out.

    Args:
        tx: The transaction.
        project: Whose labels.
        label_ids: Which labels.
        projects: Knows where images lie.
        blobs: Holds the label files.
        known: Label ids that the parent version was trained on.
    """
    return {
        label.id: CaseSource(
            id=str(sample.id),
            image=projects.source(project, sample),
            label=blobs.path(label.sha256),
            label_format=label.format,
            fingerprint=_fingerprint(label, sample),
            is_new=label.id not in known,
            regions=of_label(label),
        )
        for label, sample in training_labels.with_samples(tx, label_ids)
    }


def _fingerprint(label: Label, sample: Sample) -> str:
    """Return a key that changes when the label's bytes or the image's file change."""
    parts = [label.sha256, str(sample.modified_ns), str(sample.size_bytes), sample.name]
    if label.regions is not None:
        parts.append(str(label.regions))
    text = "/".join(parts)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
