"""What the server answers, as frozen classes.

Times are ISO 8601 texts or seconds since 1970-01-01 UTC, as the server sends them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Time = float | str | None

ENDED = frozenset({"succeeded", "failed", "cancelled"})
"""States in which a job stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process of the server that does heavy work."""

    name: str
    state: str
    device: str = ""
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What a server says of itself."""

    name: str = "limner"
    version: str
    api: str = ""
    contract: str = ""
    token_required: bool = False
    export_formats: tuple[str, ...] = ()
    workers: tuple[Worker, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """An app or a strategy that the server found, with all its problems."""

    name: str
    kind: str = ""
    """`app` or `strategy`."""
    location: str = ""
    version: str | None = None
    title: str | None = None
    problems: tuple[str, ...] = ()
    state: str = "active"
    """`active` or `retired`."""
    revision: int = 0
    """Grows whenever changed code is registered."""
    python: str | None = None
    """Interpreter that its workers run in; None for the server's own."""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Its settings by name: `default`, `help`, `choices`, `minimum`, `maximum`."""
    needs: tuple[str, ...] = ()
    """What a strategy wants to see of the pool."""

    @property
    def usable(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What came of registering a plugin."""

    items: tuple[Plugin, ...]
    """All that its file or entry point holds."""
    change: str = ""
    """`registered`, `changed` or `unchanged`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A labelling task."""

    name: str
    title: str = ""
    app: str = ""
    task: str = "segmentation"
    """`segmentation`, `instances` or `classification`."""
    app_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The app's settings by name: `value`, `default`, `help`, `choices`, `minimum`, `maximum`."""
    strategy_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The strategy's settings, likewise."""
    labels: tuple[Mapping[str, Any], ...] = ()
    """Classes with `name` and `value`."""
    images: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    round: int = 0
    """How many model versions were promoted."""
    model_version: int | None = None
    """Number of the version that serves."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many samples are in which state, and how many are queued."""
    problems: tuple[str, ...] = ()
    """What keeps its app and strategies from being used."""
    notices: tuple[str, ...] = ()
    """Where the version that serves was made otherwise than the next one will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One image to label."""

    id: int
    name: str
    state: str = ""
    reason: str = ""
    shape: tuple[int, ...] | None = None
    spacing_mm: tuple[float, ...] | None = None
    is_validation: bool = False
    files: tuple[str, ...] = ()
    label_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """Where the prediction that goes with an assignment is."""

    model_version: int | None = None
    ready: bool = False
    """Whether it is drawn already; else that is done when it is asked for."""
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A part of an image: a box of voxels, on the axes of the file."""

    start: tuple[int, ...]
    stop: tuple[int, ...]
    """One past the last voxel along each axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A sample lent to an annotator until a time."""

    id: int
    sample: Sample
    expires_at: Time = None
    annotator: str = ""
    strategy: str = ""
    arm: str = ""
    """Whose pick it is, where the strategy mixes several ways of picking."""
    purpose: str = "training"
    score: float | None = None
    reason: str = ""
    state: str = "held"
    prediction: Offered | None = None
    region: Region | None = None
    """The part that is to be labelled; None for all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """The answer to asking for the next sample."""

    assignment: Assignment | None = None
    reason: str | None = None
    """Why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One answer of an annotator for one sample."""

    id: int
    version: int
    sha256: str
    state: str
    author: str = ""
    seconds: float | None = None
    compared_with: int | None = None
    """Number of the model version whose prediction the annotator was offered."""
    agreement: float | None = None
    """How far the label leaves it as it was, from 0 to 1; None until that is computed."""
    created_at: Time = None
    region: Region | None = None
    """The part that was handed in; None for the whole image."""
    regions: tuple[Region, ...] | None = None
    """All parts that it is of by now; None for the whole image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A label that looks wrong to a model that has not learnt from it."""

    sample: Sample
    label: Label
    score: float
    """From 0 to 1; the smaller, the worse."""
    reason: str = ""
    """Why, in words."""
    model_says: Mapping[str, Any] = field(default_factory=dict)
    """What the model says instead; its names depend on the task."""
    job_id: int | None = None
    created_at: Time = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelAnswer:
    """A label that was handed in or reviewed."""

    label: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is."""

    step: int = 0
    total: int = 0
    message: str = ""
    losses: Mapping[str, float] = field(default_factory=dict)
    eta_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Heavy work that outlives a request."""

    id: int
    kind: str
    state: str
    progress: Progress = field(default_factory=Progress)
    error: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    created_at: Time = None
    started_at: Time = None
    finished_at: Time = None

    @property
    def ended(self) -> bool:
        """Whether it succeeded, failed or was cancelled."""
        return self.state in ENDED

    @property
    def failure(self) -> str:
        """What went wrong, in words; empty where nothing did."""
        if not self.error:
            return ""
        return str(self.error.get("detail") or self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """A trained model and where it comes from."""

    number: int
    state: str = ""
    """`candidate`, `serving`, `retired` or `refused`."""
    parent: int | None = None
    label_count: int = 0
    metrics: Mapping[str, Any] = field(default_factory=dict)
    decision: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    pinned: bool = False
    has_weights: bool = True
    created_at: Time = None
    promoted_at: Time = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What a model version answered: a file, or JSON."""

    data: bytes
    media_type: str
    model_version: int | None

    @property
    def document(self) -> Mapping[str, Any]:
        """The answer as JSON: instances, or the probability of every class.

        Raises:
            ValueError: It is no JSON.
        """
        found: Mapping[str, Any] = json.loads(self.data)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreProblem:
    """Something in a project's folder that is no usable sample."""

    path: str
    problem: str
    seen_at: Time = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what and when."""

    id: int
    at: Time
    actor: str
    action: str
    subject: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One server-sent event."""

    kind: str
    data: Any
    id: str = ""
