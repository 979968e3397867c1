"""The networks: a residual network or VGG, averaged over space, and a linear layer.

He et al. 2016 (arXiv 1512.03385) and Simonyan and Zisserman 2015 (arXiv 1409.1556), in two axes of
torchvision's blocks and with the names of torchvision's states, in three axes MONAI's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import torch
from monai.networks.nets import ResNet
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.models.vgg import cfgs, make_layers

from limner_apps.classification.plan import Plan
from limner_apps.learning.dropout import ChannelDropout

_COUNTS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}
_BLOCKS: dict[str, type[BasicBlock | Bottleneck]] = {
    "resnet18": BasicBlock,
    "resnet50": Bottleneck,
}
_PUBLISHED = 64
"""Channels of the first stage as published."""


class Classifier(nn.Module):
    """A backbone, its features averaged over space, dropout, and one logit a class.

    Args:
        backbone: Maps (batch, channels, *spatial) to features, layer after layer.
        features: Channels of its features.
        classes: Logits.
        dropout: Share of the averaged features that is dropped.
    """

    def __init__(
        self, backbone: nn.Sequential, features: int, classes: int, dropout: float
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.drop = ChannelDropout(dropout)
        self.head = nn.Linear(features, classes)
        self._features = features
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        return self.answer(self.embed(images))

    def embed(self, images: Tensor) -> Tensor:
        """Return the averaged features, (batch, features)."""
        return pooled(self.backbone(images))

    def answer(self, embeddings: Tensor) -> Tensor:
        """Return the logits of averaged features."""
        logits: Tensor = self.head(self.drop(embeddings))
        return logits

    def draw_dropout(self, generator: torch.Generator | None) -> None:
        """Fix the dropped features for the answers that follow; None drops none again."""
        self.drop.draw(self._features, generator)

    def layers(self) -> Iterator[nn.Module]:
        """Yield the backbone's layers in order; a stage of blocks is one."""
        for child in self.backbone.children():
            if isinstance(child, nn.Sequential) and not isinstance(
                child[0], BasicBlock | Bottleneck
            ):
                yield from child
            else:
                yield child


def pooled(features: Tensor) -> Tensor:
    """Average (batch, features, *spatial) over space, in float32."""
    return features.float().flatten(2).mean(2)


def build_network(plan: Plan, classes: int) -> Classifier:
    """Make the plan's network, freshly drawn from torch's seed."""
    if plan.axes == 3:
        backbone, features = _residual_volume(plan)
    elif plan.model == "vgg16":
        backbone, features = _vgg(plan)
    else:
        backbone, features = _residual_picture(plan)
    return Classifier(backbone, features, classes, plan.dropout)


def _residual_picture(plan: Plan) -> tuple[nn.Sequential, int]:
    block = _BLOCKS[plan.model]
    width = plan.width
    layers: list[tuple[str, nn.Module]] = []
    if plan.stem == "small":
        layers.append(("conv1", nn.Conv2d(plan.channels, width, 3, 1, 1, bias=False)))
    else:
        layers.append(("conv1", nn.Conv2d(plan.channels, width, 7, 2, 3, bias=False)))
    layers += [("bn1", nn.BatchNorm2d(width)), ("relu", nn.ReLU(inplace=True))]
    if plan.stem == "large":
        layers.append(("maxpool", nn.MaxPool2d(3, 2, 1)))
    inputs = width
    for level, count in enumerate(_COUNTS[plan.model]):
        planes = width * 2**level
        stage = _stage(block, inputs, planes, count, 1 if level == 0 else 2)
        layers.append((f"layer{level + 1}", stage))
        inputs = planes * block.expansion
    backbone = nn.Sequential(OrderedDict(layers))
    _initialise(backbone)
    return backbone, inputs


def _stage(
    block: type[BasicBlock | Bottleneck], inputs: int, planes: int, count: int, stride: int
) -> nn.Sequential:
    """Make the blocks of one resolution, as torchvision does."""
    outputs = planes * block.expansion
    shortcut = None
    if stride > 1 or inputs != outputs:
        shortcut = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
        )
    blocks = [block(inputs, planes, stride, shortcut)]
    blocks += [block(outputs, planes) for _ in range(1, count)]
    return nn.Sequential(*blocks)


def _residual_volume(plan: Plan) -> tuple[nn.Sequential, int]:
    is_small = plan.stem == "small"
    network = ResNet(
        "basic" if plan.model == "resnet18" else "bottleneck",
        list(_COUNTS[plan.model]),
        [plan.width * 2**level for level in range(4)],
        spatial_dims=3,
        n_input_channels=plan.channels,
        conv1_t_size=3 if is_small else 7,
        conv1_t_stride=1 if is_small else 2,
        bias_downsample=False,
        feed_forward=False,
    )
    unused = ("avgpool", "fc", "maxpool") if is_small else ("avgpool", "fc")
    layers = [(name, layer) for name, layer in network.named_children() if name not in unused]
    expansion = 1 if plan.model == "resnet18" else 4
    return nn.Sequential(OrderedDict(layers)), plan.width * 8 * expansion


def _vgg(plan: Plan) -> tuple[nn.Sequential, int]:
    """Make VGG-16's convolutions; the mean over space stands for its layers of 4096 features.

    Poolings that a small image has no room for are left out; the names of the layers stay.
    """
    scale = plan.width / _PUBLISHED
    widths = [each if isinstance(each, str) else max(1, round(each * scale)) for each in cfgs["D"]]
    features = make_layers(widths, batch_norm=True)
    features[0] = nn.Conv2d(plan.channels, plan.width, 3, padding=1)
    side = min(plan.shape)
    for index, layer in enumerate(features):
        if isinstance(layer, nn.MaxPool2d):
            if side < 2:
                features[index] = nn.Identity()
            side //= 2
    _initialise(features)
    last = next(each for each in reversed(widths) if isinstance(each, int))
    return nn.Sequential(OrderedDict(features=features)), last


def _initialise(layers: nn.Module) -> None:
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
