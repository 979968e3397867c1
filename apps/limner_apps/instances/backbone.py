"""The light backbone: a short residual network with group normalisation under a feature pyramid.

He et al. 2016 (arXiv 1512.03385), Wu and He 2018 (arXiv 1803.08494), Lin et al. 2017
(arXiv 1612.03144). Group normalisation does not mind that a step holds few crops.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import FeaturePyramidNetwork

FIRST_STRIDE = 4
"""Pixels between neighbours of the finest feature map; every further level doubles them."""
_GROUP = 16
"""Channels normalised together."""


class ResidualBlock(nn.Module):
    """Two convolutions with a shortcut around them."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.first_norm = _norm(width)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.second_norm = _norm(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, width, 1, stride, bias=False), _norm(width)
            )
        # The block starts as its shortcut, which lets the rate be high from the first steps.
        nn.init.zeros_(self.second_norm.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Return (batch, width, *spatial), the spatial sizes divided by the stride."""
        inner = functional.relu(self.first_norm(self.first(features)), inplace=True)
        inner = self.second_norm(self.second(inner))
        return functional.relu(inner + self.shortcut(features), inplace=True)


class LightBackbone(nn.Module):
    """Makes feature maps of an image at strides 4, 8, 16 and so on.

    Args:
        inputs: Channels of the image.
        widths: Channels of each stage, finest first.
        pyramid: Channels of every feature map that comes out.
    """

    def __init__(self, inputs: int, widths: Sequence[int], pyramid: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(inputs, widths[0], 7, 2, 3, bias=False),
            _norm(widths[0]),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        )
        self.stages = nn.ModuleList()
        below = widths[0]
        for level, width in enumerate(widths):
            first = ResidualBlock(below, width, 1 if level == 0 else 2)
            self.stages.append(nn.Sequential(first, ResidualBlock(width, width, 1)))
            below = width
        self.pyramid = FeaturePyramidNetwork(list(widths), pyramid)
        self.out_channels = pyramid
        """Read by torchvision's Mask R-CNN."""

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return (batch, pyramid, *spatial) maps named `0`, `1`, …, finest first."""
        features = self.stem(image)
        maps = {}
        for level, stage in enumerate(self.stages):
            features = stage(features)
            maps[str(level)] = features
        answer: dict[str, Tensor] = self.pyramid(maps)
        return answer


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(max(1, width // _GROUP), width)
