"""What the server and a worker say to each other. Arrays in them travel by shared memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from limner.engine.interface import CaseSource, PartWanted, TrainTask
from limner.images import ImageSource
from limner.plugin import Json, LabelSchema, Pool, Progress, Prompt, Task
from limner.registry import PluginSource


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSource:
    """An app as a worker finds it."""

    name: str
    task: Task
    """The kind of answer that its manifest promises."""
    source: PluginSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """A model version as a worker loads it; see `ModelRef`."""

    app: AppSource
    key: str
    weights: Path
    schema: LabelSchema
    options: Mapping[str, Json] = field(default_factory=dict)
    """Defaults filled in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warm:
    """Load a model. Answered with whether it describes several images together."""

    model: ModelSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Predict:
    """Predict an image. Answered with a `Prediction`."""

    model: ModelSource
    image: ImageSource
    probabilities: bool
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Explain:
    """Map what in an image speaks for a class. Answered with an array (*spatial)."""

    model: ModelSource
    image: ImageSource
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptImage:
    """Predict an image with what an annotator says of it. Answered with a `Prediction`."""

    model: ModelSource
    image: ImageSource
    prompts: tuple[Prompt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe:
    """Describe an image. Answered with a `Described`."""

    model: ModelSource
    image: ImageSource
    part: PartWanted | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeTogether:
    """Describe several images. Answered with a tuple: a `Described` or a `Failure` for each."""

    model: ModelSource
    images: tuple[ImageSource, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribePixels:
    """Describe an image without a model. Answered with its descriptors, an array (d,)."""

    image: ImageSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """Train a version. Answered with a `Trained`, `Reported` in between."""

    app: AppSource
    task: TrainTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate:
    """Measure a model. Answered with an `Evaluation`, `Reported` in between."""

    model: ModelSource
    cases: Sequence[CaseSource]


@dataclass(frozen=True, slots=True, kw_only=True)
class PickRows:
    """Let a strategy order a pool. Answered with a tuple of `Pick`."""

    name: str
    source: PluginSource
    pool: Pool
    count: int
    seed: int


Command: TypeAlias = (
    Warm
    | Predict
    | Explain
    | PromptImage
    | Describe
    | DescribeTogether
    | DescribePixels
    | Train
    | Evaluate
    | PickRows
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The first message to a worker."""

    device: str
    """As in the settings: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`."""
    takes_last_device: bool
    """Of several devices a learner takes the last, a predictor the first."""
    threads: int
    nice: int
    warm_models: int
    parent: int
    """The server's process id."""
    module_path: tuple[str, ...]
    """The server's `sys.path`: what it found, the worker finds. Empty for another interpreter:
    that has packages of its own."""
    python: str = ""
    """Path of the worker's interpreter; empty for the server's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One command; answered with `Done` or `Failed` of the same number."""

    number: int
    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """The image that comes next, most likely: read it while computing."""

    image: ImageSource


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWork:
    """End this command early."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """End the process after the command in work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The first message of a worker."""

    device: str
    devices: tuple[str, ...]
    """All that the settings allow, for as many predictors."""
    limner: str
    """Version of limner in the worker's environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """Progress of a command."""

    number: int
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The answer to a command."""

    number: int
    answer: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An exception, told rather than pickled: a plugin's own classes stay in the worker."""

    kind: str
    """Name of the nearest class in `limner.errors`."""
    message: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Why a command has no answer."""

    number: int
    failure: Failure
