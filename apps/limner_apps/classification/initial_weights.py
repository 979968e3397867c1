"""Starting from an operator's file of weights instead of random ones."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from limner.plugin import UnsuitableInput
from limner_apps.classification.network import Classifier
from limner_apps.learning.tensors import load_tensors

_COLOUR = 3
"""Channels that published networks were trained on."""


def load_initial_weights(network: Classifier, path: Path) -> str:
    """Load a torchvision state dictionary into a network's backbone.

    The last layers, of other classes, stay random. A first convolution made for colour is summed
    over its channels for grey images, and stays random where its size differs, as it does with the
    stem for small images.

    Returns:
        What was loaded, as a note for people.

    Raises:
        UnsuitableInput: The file cannot be read, or is of another network.
    """
    if not path.is_file():
        raise UnsuitableInput(
            f"Option initial_weights: there is no file {path}; give the path of a state "
            "dictionary on the server, or leave it empty."
        )
    given = load_tensors(path)
    if given is None or not all(isinstance(each, Tensor) for each in given.values()):
        raise UnsuitableInput(
            f"Option initial_weights: {path} is no state dictionary; write one with "
            "torch.save(network.state_dict(), path)."
        )
    own = network.backbone.state_dict()
    taken: dict[str, Tensor] = {}
    random: list[str] = []
    first = next(iter(own))
    for name, value in own.items():
        offered = given.get(name)
        if offered is None and not name.endswith("num_batches_tracked"):
            raise UnsuitableInput(
                f"Option initial_weights: {path} has no {name}; it is of another network."
            )
        if name == first and offered is not None:
            offered = _for_channels(offered, value)
        if offered is not None and offered.shape == value.shape:
            taken[name] = offered
        elif name == first:
            random.append(name)
        elif offered is not None:
            raise UnsuitableInput(
                f"Option initial_weights: {name} is {tuple(offered.shape)} in {path}, the network "
                f"has {tuple(value.shape)}; choose the model and width that the file is of."
            )
    with torch.no_grad():
        network.backbone.load_state_dict({**own, **taken})
    left = f", but for {', '.join(random)}" if random else ""
    return f"Started from the weights in {path.name}{left}."


def _for_channels(offered: Tensor, wanted: Tensor) -> Tensor:
    """Sum a convolution made for colour over its channels where images are grey."""
    if offered.dim() == wanted.dim() and offered.shape[1] == _COLOUR and wanted.shape[1] == 1:
        return offered.sum(dim=1, keepdim=True)
    return offered
