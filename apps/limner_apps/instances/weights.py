"""A model version as one file: tensors and JSON, no code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from limner.plugin import LabelSchema, UnsuitableInput
from limner_apps.instances.plan import Plan
from limner_apps.learning.tensors import load_tensors, save_tensors

_APP = "limner.instances"
_FORMAT = 1


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
    content = {
        "app": _APP,
        "format": _FORMAT,
        "header": json.dumps(header, sort_keys=True),
        "state": {name: tensor.cpu().contiguous() for name, tensor in weights.state.items()},
    }
    save_tensors(path, content)


def read_weights(path: Path, schema: LabelSchema) -> Weights:
    """Read a model version.

    Raises:
        UnsuitableInput: The file is not this app's, or was made for other classes.
    """
    content = load_tensors(path)
    if content is None or content.get("app") != _APP:
        raise UnsuitableInput(
            f"{path.name} holds no weights of the instances app; give a file that it trained."
        )
    if content.get("format") != _FORMAT:
        raise UnsuitableInput(
            f"{path.name} is of format {content.get('format')}, this version of the app reads "
            f"{_FORMAT}; train again."
        )
    header = json.loads(content["header"])
    classes = tuple(header["classes"])
    if classes != schema.names:
        raise UnsuitableInput(
            f"{path.name} was trained for the classes {', '.join(classes)}, but the project has "
            f"{', '.join(schema.names)}; train again or load it where its classes are."
        )
    return Weights(
        plan=Plan.from_json(header["plan"]),
        classes=classes,
        state=content["state"],
        score_threshold=float(header["score_threshold"]),
        labels=int(header["labels"]),
        started_from=str(header["started_from"]),
    )
