"""A model version as one file: tensors and JSON, no code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from limner.plugin import LabelSchema, UnsuitableInput
from limner_apps.classification.plan import Plan
from limner_apps.learning.tensors import load_tensors, save_tensors

_APP = "limner.classification"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights:
    """All that a model needs beside the schema."""

    plan: Plan
    schema: LabelSchema
    """The classes it was trained for."""
    state: dict[str, Tensor]
    """The network's parameters and running statistics."""
    temperatures: tuple[float, ...]
    """What logits are divided by: one number where the classes are exclusive, else one a class."""
    labels: int
    """How many labels it was trained on."""
    kinds: int
    """How many different labels those were; with one alone there was nothing to tell apart."""


def write_weights(path: Path, weights: Weights) -> None:
    """Write by rename; the same weights give the same bytes."""
    header = {
        "plan": weights.plan.as_json(),
        "classes": _classes(weights.schema),
        "exclusive": weights.schema.exclusive,
        "temperatures": list(weights.temperatures),
        "labels": weights.labels,
        "kinds": weights.kinds,
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
            f"{path.name} holds no weights of the classification app; give a file that it trained."
        )
    if content.get("format") != _FORMAT:
        raise UnsuitableInput(
            f"{path.name} is of format {content.get('format')}, this version of the app reads "
            f"{_FORMAT}; train again."
        )
    header = json.loads(content["header"])
    if header["classes"] != _classes(schema):
        raise UnsuitableInput(
            f"{path.name} was trained for the classes {_words(header['classes'])}, but the project "
            f"has {_words(_classes(schema))}; train again or load it where its classes are."
        )
    if header["exclusive"] != schema.exclusive:
        kinds = {True: "exactly one class an image", False: "any number of classes an image"}
        raise UnsuitableInput(
            f"{path.name} was trained for {kinds[header['exclusive']]}, but the project has "
            f"{kinds[schema.exclusive]}; train again."
        )
    return Weights(
        plan=Plan.from_json(header["plan"]),
        schema=schema,
        state=content["state"],
        temperatures=tuple(float(each) for each in header["temperatures"]),
        labels=int(header["labels"]),
        kinds=int(header["kinds"]),
    )


def _classes(schema: LabelSchema) -> list[list[object]]:
    return [[each.name, each.value] for each in schema.classes]


def _words(classes: list[list[object]]) -> str:
    return ", ".join(f"{name} ({value})" for name, value in classes)
