"""What the loop asks of an engine, whatever runs behind it: local processes, or a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from limner.images import ImageSource
from limner.plugin import (
    Described,
    Evaluation,
    FloatArray,
    Json,
    LabelSchema,
    Pick,
    Pool,
    Prediction,
    Prompt,
    Region,
    Trained,
    Watch,
)


class Priority(IntEnum):
    """Who goes first at a predictor."""

    INTERACTIVE = 0
    BULK = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """A model version as a worker needs it."""

    app: str
    """Name of the app."""
    key: str
    """Names this version among all of the server's; the same key means the same weights."""
    weights: Path
    schema: LabelSchema
    options: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSource:
    """A labelled sample as a worker needs it: where the files lie."""

    id: str
    image: ImageSource
    label: Path
    """The stored label file, in any mask format; `label_format` says which."""
    label_format: str
    """Suffix such as `.nii.gz`: content-addressed files carry none."""
    fingerprint: str
    is_new: bool = False
    regions: tuple[Region, ...] | None = None
    """What of the image is labelled; None for all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartWanted:
    """Which part of an image a description is to find; see `limner.plugin.PredictRequest`."""

    size: tuple[int, ...]
    labelled: tuple[Region, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainTask:
    """A training as a worker needs it; see `limner.plugin.TrainRequest` for the fields."""

    app: str
    schema: LabelSchema
    train: Sequence[CaseSource]
    validation: Sequence[CaseSource]
    parent: Path | None
    seed: int
    workspace: Path
    cache: Path
    effort: float = 1.0
    options: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """One worker process as a person may see it."""

    name: str
    """`predictor`, with its device where there are several, `learner` or `picker`; for which plugin
    where a plugin has workers of its own: `learner of keras-unet`."""
    pid: int | None
    state: str
    """`starting`, `idle`, `busy`, `dead` or `stopped`."""
    device: str
    restarts: int
    last_words: str
    """Last lines that a worker wrote before it ended; empty when none did."""


class Engine(Protocol):
    """Runs what is heavy, away from the web process. Every method may be called from any thread.

    All of them raise `limner.errors.EngineError` when a worker or a plugin fails, and pass on
    `limner.plugin.UnsuitableInput`, `Stopped` and `limner.errors.ImageError` as they are.
    """

    def start(self) -> None:
        """Start the workers and return at once, before they are ready."""
        ...

    def stop(self) -> None:
        """End every worker within a few seconds; waiting work fails with `EngineError`."""
        ...

    def predict(
        self,
        model: ModelRef,
        image: ImageSource,
        *,
        probabilities: bool = False,
        seed: int = 0,
        priority: Priority = Priority.INTERACTIVE,
        client: str = "",
    ) -> Prediction:
        """Predict one image, loading the model where it is not warm. Fair between clients."""
        ...

    def explain(
        self, model: ModelRef, image: ImageSource, value: int, *, client: str = ""
    ) -> FloatArray:
        """Map what in an image speaks for a class; see `limner.plugin.Explains`."""
        ...

    def prompt(
        self, model: ModelRef, image: ImageSource, prompts: Sequence[Prompt], *, client: str = ""
    ) -> Prediction:
        """Predict one image with what an annotator says of it; see `limner.plugin.Prompted`."""
        ...

    def warm(self, model: ModelRef) -> None:
        """Load a model ahead of its first request; returns when it is ready."""
        ...

    def train(self, task: TrainTask, watch: Watch) -> Trained:
        """Train; the watch is told from the caller's thread."""
        ...

    def evaluate(self, model: ModelRef, cases: Sequence[CaseSource], watch: Watch) -> Evaluation:
        """Measure a model on labelled cases."""
        ...

    def describe(
        self,
        model: ModelRef,
        images: Sequence[tuple[int, ImageSource]],
        watch: Watch,
        each: Callable[[int, Described | Exception], None],
        parts: Mapping[int, PartWanted] = MappingProxyType({}),
    ) -> None:
        """Describe images one by one, calling `each` with the given number as answers arrive.

        `parts` says by number of which images a part is asked for, and how large.

        One image that fails is passed to `each` as its exception; the rest goes on.
        """
        ...

    def describe_pixels(
        self,
        images: Sequence[tuple[int, ImageSource]],
        watch: Watch,
        each: Callable[[int, FloatArray | Exception], None],
    ) -> None:
        """Describe images without a model; see `limner.images.descriptors`, and `describe`."""
        ...

    def pick(self, strategy: str, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Let a strategy order a pool. Checked: distinct rows, in range, the right number.

        `Pool.options` are those that the project sets; the strategy's defaults are filled in here.
        """
        ...

    def retire_unused(self) -> None:
        """Let the workers go that no plugin of the registry needs any more; return at once.

        They end what was asked of them before, a training that runs included. What is asked from
        now on goes to the workers of the plugins as they are in the registry.
        """
        ...

    def status(self) -> Sequence[WorkerStatus]:
        """Say how the workers are."""
        ...
