"""A version of the model, and its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from limner.plugin import LabelSchema
from limner_apps.instances.plan import Plan
from limner_apps.learning.weights_file import (
    check_classes,
    read_weights_file,
    write_weights_file,
)

_APP = "instances"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights:
    """All that a model needs beside the schema."""

    plan: Plan
    classes: tuple[str, ...]
    """Names, background left out."""
    state: dict[str, Tensor]
    """The network's parameters and running statistics."""
    score_threshold: float
    """Least score of an answered object that was best on the validation cases."""
    labels: int
    """How many labels it was trained on."""
    started_from: str
    """What its training started from, in words."""


def write_weights(path: Path, weights: Weights) -> None:
    """Write by rename; the same weights give the same bytes."""
    header = {
        "plan": weights.plan.as_json(),
        "classes": list(weights.classes),
        "score_threshold": weights.score_threshold,
        "labels": weights.labels,
        "started_from": weights.started_from,
    }
    write_weights_file(path, _APP, header, weights.state)


def read_weights(path: Path, schema: LabelSchema) -> Weights:
    """Read a model version.

    Raises:
        UnsuitableInput: The file is not this app's, or was made for other classes.
    """
    header, state = read_weights_file(path, _APP)
    check_classes(path, header["classes"], schema.names)
    return Weights(
        plan=Plan.from_json(header["plan"]),
        classes=schema.names,
        state=state,
        score_threshold=float(header["score_threshold"]),
        labels=int(header["labels"]),
        started_from=str(header["started_from"]),
    )
