"""Rows of the tables as frozen classes: what leaves `limner.records`.

Field names are column names, so a row becomes its class by `Class(**row._mapping)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class SampleState(StrEnum):
    """What can be done with a sample."""

    READY = "ready"
    """Without a submitted label: in the pool."""
    LABELLED = "labelled"
    """Has as many submitted labels as the project asks for."""
    UNREADABLE = "unreadable"
    """Its file cannot be read; never handed out."""
    SET_ASIDE = "set_aside"
    """Skipped too often; waits for somebody to look at it."""
    VANISHED = "vanished"
    """Its file is gone; labels are kept."""
    REMOVED = "removed"
    """Taken out by somebody; its file stays in the store and is not taken in again."""


class LabelState(StrEnum):
    """Where a label stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"


class AssignmentState(StrEnum):
    """How an assignment stands or ended."""

    HELD = "held"
    DONE = "done"
    RELEASED = "released"
    SKIPPED = "skipped"
    EXPIRED = "expired"


class Purpose(StrEnum):
    """What a label asked for is to serve."""

    TRAINING = "training"
    VALIDATION = "validation"


class ModelState(StrEnum):
    """Where a model version stands."""

    CANDIDATE = "candidate"
    """Trained, not decided yet."""
    SERVING = "serving"
    RETIRED = "retired"
    """Has served, another one does now."""
    REFUSED = "refused"
    """Measured worse; kept and shown."""


class JobKind(StrEnum):
    """The kinds of heavy work."""

    TRAIN = "train"
    SCORE = "score"
    PREDICT = "predict"
    REVIEW = "review"
    TRIAL = "trial"


class JobState(StrEnum):
    """Where a job stands: queued → running → succeeded, failed or cancelled.

    A running job goes back to queued when the server restarts or a more urgent job takes its place.
    """

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class PluginState(StrEnum):
    """Whether a plugin that was registered is still wanted."""

    ACTIVE = "active"
    RETIRED = "retired"
    """Taken out by somebody; left out at a start, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A labelling task. Fields are those of `tables.projects`."""

    id: int
    name: str
    title: str
    app: str
    task: str
    """Of `limner.plugin.Task`: the kind of label, whichever app is there."""
    schema: list[dict[str, Any]]
    store: dict[str, Any]
    settings: dict[str, Any]
    serving_model_id: int | None
    round: int
    samples: int
    labelled: int
    validation: int
    unreadable: int
    set_aside: int
    vanished: int
    queued: int
    next_calls: int
    labels_since_training: int
    created_at: float
    deleted_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One image to label. Fields are those of `tables.samples`."""

    id: int
    project_id: int
    name: str
    files: list[str]
    state: str
    reason: str
    shape: list[int] | None
    spacing_mm: list[float] | None
    channels: int | None
    format: str
    size_bytes: int
    modified_ns: int
    is_validation: bool
    draw: float
    label_id: int | None
    readings: int
    skips: int
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One answer of an annotator. Fields are those of `tables.labels`."""

    id: int
    project_id: int
    sample_id: int
    version: int
    state: str
    author: str
    seconds: float | None
    sha256: str
    size_bytes: int
    format: str
    assignment_id: int | None
    adopted_from: str | None
    note: str
    tag: str
    compared_with: int | None
    agreement: float | None
    created_at: float
    region: dict[str, list[int]] | None = None
    regions: list[dict[str, list[int]]] | None = None
    submitted_sha256: str | None = None
    submitted_format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An image that is no sample, kept for a client. Fields are those of `tables.sessions`."""

    id: str
    project_id: int
    files: list[str]
    created_at: float
    last_access_at: float
    expiry_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A sample lent to an annotator. Fields are those of `tables.assignments`."""

    id: int
    project_id: int
    sample_id: int
    annotator: str
    state: str
    slot: int
    purpose: str
    strategy: str
    arm: str
    score: float | None
    reason: str
    position: int | None
    offered: int | None
    created_at: float
    expires_at: float
    ended_at: float | None
    region: dict[str, list[int]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """One pick of a strategy. Fields are those of `tables.queue`, which adds the place."""

    sample_id: int
    strategy: str
    score: float | None
    reason: str
    model_id: int | None
    arm: str = ""
    region: dict[str, list[int]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """Weights and where they come from. Fields are those of `tables.model_versions`."""

    id: int
    project_id: int
    number: int
    parent_id: int | None
    job_id: int | None
    app: str
    app_version: str
    state: str
    pinned: bool
    weights_sha256: str | None
    weights_bytes: int
    seed: int
    plan: dict[str, Any]
    options: dict[str, Any]
    metrics: dict[str, Any]
    decision: dict[str, Any]
    libraries: dict[str, str]
    notes: list[str]
    label_count: int
    created_at: float
    promoted_at: float | None
    stability: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A label that looks wrong. Fields are those of `tables.suspects`."""

    label_id: int
    project_id: int
    sample_id: int
    score: float
    reason: str
    model_says: dict[str, Any]
    job_id: int
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTrial:
    """What one trial found of one arm. Fields are those of `tables.trials`."""

    project_id: int
    job_id: int
    arm: str
    labels: int
    measure: str
    differences: dict[str, float]
    newest_label_id: int
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPrediction:
    """A prediction made ahead. Fields are those of `tables.predictions`."""

    model_id: int
    sample_id: int
    project_id: int
    sha256: str
    size_bytes: int
    format: str
    modified_ns: int
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Heavy work that outlives a request. Fields are those of `tables.jobs`."""

    id: int
    project_id: int
    kind: str
    state: str
    priority: int
    params: dict[str, Any]
    result: dict[str, Any]
    progress: dict[str, Any]
    error: dict[str, Any] | None
    cancel_requested: bool
    attempts: int
    created_at: float
    started_at: float | None
    finished_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what and when. Fields are those of `tables.audit`."""

    id: int
    at: float
    project_id: int | None
    actor: str
    action: str
    subject: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreProblem:
    """Something in a store that is no usable sample. Fields of `tables.store_problems`."""

    id: int
    project_id: int
    path: str
    problem: str
    seen_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredPlugin:
    """A plugin that was registered or retired at run time. Fields of `tables.plugins`."""

    kind: str
    name: str
    location: str | None
    revision: int
    state: str
    digest: str
    registered_at: float
