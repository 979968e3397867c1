"""A version of the model, and its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from limner.plugin import LabelSchema, UnsuitableInput
from limner_apps.classification.plan import Plan
from limner_apps.learning.weights_file import (
    check_classes,
    read_weights_file,
    write_weights_file,
)

_APP = "classification"


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
    write_weights_file(path, _APP, header, weights.state)


def read_weights(path: Path, schema: LabelSchema) -> Weights:
    """Read a model version.

    Raises:
        UnsuitableInput: The file is not this app's, or was made for other classes.
    """
    header, state = read_weights_file(path, _APP)
    check_classes(path, _words(header["classes"]), _words(_classes(schema)))
    if header["exclusive"] != schema.exclusive:
        kinds = {True: "exactly one class an image", False: "any number of classes an image"}
        raise UnsuitableInput(
            f"{path.name} was trained for {kinds[header['exclusive']]}, but the project has "
            f"{kinds[schema.exclusive]}; train again."
        )
    return Weights(
        plan=Plan.from_json(header["plan"]),
        schema=schema,
        state=state,
        temperatures=tuple(float(each) for each in header["temperatures"]),
        labels=int(header["labels"]),
        kinds=int(header["kinds"]),
    )


def _classes(schema: LabelSchema) -> list[list[object]]:
    return [[each.name, each.value] for each in schema.classes]


def _words(classes: list[list[object]]) -> list[str]:
    return [f"{name} ({value})" for name, value in classes]
