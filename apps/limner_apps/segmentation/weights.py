"""A version of the model, and its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from limner.plugin import LabelSchema
from limner_apps.learning.weights_file import (
    check_classes,
    read_weights_file,
    write_weights_file,
)
from limner_apps.segmentation.network import UNet
from limner_apps.segmentation.plan import Plan

_APP = "segmentation"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights:
    """All that a model needs beside the schema."""

    plan: Plan
    classes: tuple[str, ...]
    """Names, background left out."""
    state: dict[str, Tensor]
    """The network's parameters and running statistics."""
    temperature: float
    """What logits are divided by."""
    labels: int
    """How many labels it was trained on."""


def build_network(plan: Plan, classes: int) -> UNet:
    """Make the plan's network, freshly drawn from torch's seed.

    Args:
        plan: The plan.
        classes: Classes, background left out.
    """
    return UNet(
        axes=plan.network_axes,
        inputs=plan.network_channels,
        classes=1 + classes,
        widths=plan.widths,
        strides=plan.strides,
        norm=plan.norm,
        dropout=plan.dropout,
    )


def write_weights(path: Path, weights: Weights) -> None:
    """Write by rename; the same weights give the same bytes."""
    header = {
        "plan": weights.plan.as_json(),
        "classes": list(weights.classes),
        "temperature": weights.temperature,
        "labels": weights.labels,
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
        temperature=float(header["temperature"]),
        labels=int(header["labels"]),
    )
