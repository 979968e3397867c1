"""What a training is asked and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from limner.plugin.images import Answer, Image
from limner.plugin.regions import Region
from limner.plugin.schema import LabelSchema
from limner.plugin.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One labelled image, read when it is needed."""

    id: str
    """Names the sample; unique within a request."""
    fingerprint: str
    """Changes when the image's or the label's bytes change, or `regions` do: a key for caches."""
    load_image: Callable[[], Image]
    """Read the image from disk."""
    load_label: Callable[[], Answer]
    """Read the label from disk, in the image's own geometry."""
    is_new: bool = False
    """Whether the parent version was trained without this label."""
    regions: tuple[Region, ...] | None = None
    """What of the image is labelled: the voxels inside any of these, at least one. What the label
    holds elsewhere means nothing, not background, and is ignored by training and evaluation alike.
    None where the whole image is labelled. Only an app with the ability `regions` gets any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a piece of work has come."""

    step: int
    """Steps done, from 0 to `total`."""
    total: int
    """Steps in all, known beforehand."""
    losses: Mapping[str, float] = field(default_factory=dict)
    """Current losses by name; empty where there are none."""
    message: str = ""
    """What is being done, in a few words."""


class Watch(Protocol):
    """The server's ear and hand on long work."""

    def progress(self, progress: Progress) -> None:
        """Report; cheap enough to call at every step."""
        ...

    def should_stop(self) -> bool:
        """Tell whether to end now.

        Ask at least once a second; when True, raise `Stopped` within a second or two. What was
        checkpointed in the workspace stays, so the same request can go on later.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """Ask an app to train a model version."""

    schema: LabelSchema
    train: Sequence[Case]
    """The labels to learn from, at least one; all of them, old and new."""
    validation: Sequence[Case]
    """Never trained on: for calibration and for watching the run. May be empty."""
    parent: Path | None
    """Weights of the serving version to start from; None starts from scratch."""
    seed: int
    """Decides everything random: the same request on the same machine trains the same model."""
    workspace: Path
    """A folder of this training alone, kept when the process dies: checkpoints go here, and a
    request that finds its own checkpoint goes on from there. The weights are written here too."""
    cache: Path
    """A folder that all trainings of the project share, for preprocessed images keyed by
    `Case.fingerprint`. It may be emptied at any time."""
    effort: float = 1.0
    """Fraction of the app's usual number of steps, above 0 and at most 4."""
    device: str = "cpu"
    """`cpu`, `cuda:N` or `mps`."""
    threads: int = 1
    """How many processor threads to use."""
    options: Mapping[str, Json] = field(default_factory=dict)
    """The app's options as the project sets them, defaults filled in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training leaves."""

    weights: Path
    """One file in the workspace, all that `App.load` needs beside the schema. It must be safe to
    load: no pickled code."""
    plan: Mapping[str, Json]
    """What the app planned from the data: spacing, patch, depth, batch and the like."""
    metrics: Mapping[str, float]
    """Figures of the run, such as the last training loss; units in the names."""
    seed: int
    """The seed that made these weights; differs from the request's after a retry."""
    steps: int
    """Optimiser steps taken."""
    libraries: Mapping[str, str]
    """Versions of the libraries that decide the result, by name."""
    notes: tuple[str, ...] = ()
    """What a person should know, such as a retry after a collapse."""
