"""Starting a training from weights that are on the machine already; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_V2_Weights

from limner.plugin import UnsuitableInput
from limner_apps.instances.network import RESNET50, InstanceNetwork
from limner_apps.learning.tensors import load_tensors

TORCHVISION = "torchvision"
"""Value of the option that means the file in torchvision's cache."""
_PREFIXES = ("rcnn.", "rcnn.backbone.body.")
"""Where a file's names may belong: it holds a whole Mask R-CNN, or only a classifier's layers."""
_LEAST = 0.5
"""Share of the backbone's parameters that a file must have to be of use."""


def start_from(network: InstanceNetwork, option: str, model: str) -> str:
    """Copy all that fits from an operator's file into a network.

    Layers whose size depends on the classes keep their random weights.

    Args:
        network: Newly drawn.
        option: A path, or `torchvision`.
        model: The plan's.

    Returns:
        What was taken from where, in words.

    Raises:
        UnsuitableInput: There is no such file, or it is not of this network.
    """
    path = _cached(model) if option == TORCHVISION else Path(option)
    if not path.is_file():
        raise UnsuitableInput(
            f"Option initial_weights: there is no file {path}; put the weights there, or leave the "
            "option empty to start at random."
        )
    content = load_tensors(path)
    if content is None or not all(isinstance(each, Tensor) for each in content.values()):
        raise UnsuitableInput(
            f"Option initial_weights: {path} holds no tensors by name; give a file of torchvision "
            "weights."
        )
    own = network.state_dict()
    backbone = {name for name in own if name.startswith("rcnn.backbone.")}
    taken: dict[str, Tensor] = {}
    for prefix in _PREFIXES:
        fitting = {
            prefix + name: tensor
            for name, tensor in content.items()
            if prefix + name in own and own[prefix + name].shape == tensor.shape
        }
        taken = max(taken, fitting, key=len)
    share = sum(own[name].numel() for name in backbone & set(taken)) / sum(
        own[name].numel() for name in backbone
    )
    if share < _LEAST:
        raise UnsuitableInput(
            f"Option initial_weights: {path.name} fits {share:.0%} of the backbone of the model "
            f"{model}; give weights of that network, or set the option model."
        )
    network.load_state_dict({**own, **taken})
    return f"{path.name} ({len(taken)} of {len(own)} tensors)"


def _cached(model: str) -> Path:
    if model != RESNET50:
        raise UnsuitableInput(
            f"Option initial_weights: torchvision has no weights of the model {model}; set the "
            f"option model to {RESNET50}, or give a file."
        )
    address = str(MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1.url)
    return Path(torch.hub.get_dir()) / "checkpoints" / address.rsplit("/", maxsplit=1)[-1]
