"""The U-Net, for pictures and for volumes, with strides that follow the voxel's shape.

Ronneberger et al. 2015 (arXiv 1505.04597), with the residual encoder, the anisotropic strides and
the deep supervision of nnU-Net (Isensee et al. 2021, Nature Methods 18:203).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from limner_apps.learning.dropout import ChannelDropout

# Any: the layers of two and of three axes take the same arguments, but share no type.
_CONVOLUTION: dict[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED: dict[int, Any] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_BATCH_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_SLOPE = 0.01


class Stage(nn.Module):
    """Two convolutions with a shortcut around them (He et al. 2016), at one resolution."""

    def __init__(self, axes: int, inputs: int, width: int, norm: str, kernel: Sequence[int]):
        super().__init__()
        padding = tuple(size // 2 for size in kernel)
        convolution = _CONVOLUTION[axes]
        self.first = convolution(inputs, width, tuple(kernel), padding=padding, bias=False)
        self.first_norm = _norm(axes, width, norm)
        self.second = convolution(width, width, tuple(kernel), padding=padding, bias=False)
        self.second_norm = _norm(axes, width, norm)
        self.shortcut = nn.Identity() if inputs == width else convolution(inputs, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return (batch, width, *spatial)."""
        shortcut = self.shortcut(features)
        features = functional.leaky_relu(self.first_norm(self.first(features)), _SLOPE)
        features = self.second_norm(self.second(features))
        return functional.leaky_relu(features + shortcut, _SLOPE)


class UNet(nn.Module):
    """A U-Net that answers logits, coarser logits in training, and an embedding.

    Args:
        axes: Spatial axes of the input, 2 or 3.
        inputs: Channels of the input.
        classes: Channels of the output, background included.
        widths: Channels of every level, finest first.
        strides: For every level but the first, how much it shrinks each axis.
        norm: `batch` or `instance`.
        dropout: Share of the channels dropped at the two coarsest levels.
    """

    def __init__(
        self,
        *,
        axes: int,
        inputs: int,
        classes: int,
        widths: Sequence[int],
        strides: Sequence[Sequence[int]],
        norm: str,
        dropout: float,
    ) -> None:
        super().__init__()
        self._strides = [tuple(stride) for stride in strides]
        kernels = _kernels(axes, self._strides)
        self.encoder = nn.ModuleList()
        channels = inputs
        for width, kernel in zip(widths, kernels, strict=True):
            self.encoder.append(Stage(axes, channels, width, norm, kernel))
            channels = width
        self.ups = nn.ModuleList()
        self.decoder = nn.ModuleList()
        self.heads = nn.ModuleList()
        levels = range(len(widths) - 1)
        for level in reversed(levels):
            stride = self._strides[level]
            self.ups.append(
                _TRANSPOSED[axes](widths[level + 1], widths[level], stride, stride, bias=False)
            )
            stage = Stage(axes, 2 * widths[level], widths[level], norm, kernels[level])
            self.decoder.append(stage)
            self.heads.append(_CONVOLUTION[axes](widths[level], classes, 1))
        if not self.decoder:
            self.heads.append(_CONVOLUTION[axes](widths[0], classes, 1))
        self._drops = [ChannelDropout(dropout) for _ in range(min(2, len(widths)))]
        self.drops = nn.ModuleList(self._drops)
        self._widths = tuple(widths)
        _initialise(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return logits (batch, classes, *spatial), finest first; only the finest in evaluation.

        Every spatial size must be a multiple of the product of the strides along that axis.
        """
        return self._decode(self._encode(image))

    def with_embedding(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the finest logits, and the mean bottleneck features (batch, widths[-1])."""
        skips = self._encode(image)
        embedding = skips[-1].float().flatten(2).mean(2)
        return self._decode(skips)[0], embedding

    def draw_dropout(self, generator: torch.Generator | None) -> None:
        """Fix the dropped channels for the predictions that follow; None drops none again."""
        for drop, width in zip(self._drops, reversed(self._widths), strict=False):
            drop.draw(width, generator)

    def _encode(self, image: Tensor) -> list[Tensor]:
        skips = []
        features = image
        for level, stage in enumerate(self.encoder):
            if level:
                stride = self._strides[level - 1]
                pool = functional.max_pool2d if len(stride) == 2 else functional.max_pool3d
                features = pool(features, stride)
            features = stage(features)
            skips.append(features)
        return skips

    def _decode(self, skips: list[Tensor]) -> list[Tensor]:
        features = self._drops[0](skips[-1])
        if not self.decoder:
            return [self.heads[0](features)]
        logits: list[Tensor] = []
        last = len(self.decoder) - 1
        for index, (up, stage) in enumerate(zip(self.ups, self.decoder, strict=True)):
            skip = skips[-2 - index]
            features = stage(torch.cat([skip, up(features)], dim=1))
            if index == 0 and len(self._drops) > 1:
                features = self._drops[1](features)
            if self.training or index == last:
                logits.append(self.heads[index](features))
        return logits[::-1]


def _kernels(axes: int, strides: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Plan kernels: an axis is not convolved before the level at which it is first shrunk.

    On anisotropic volumes the thick axis joins when the voxels have become about cubic, as in
    nnU-Net.
    """
    cubic = (3,) * axes
    if not strides:
        return [cubic]
    kernels = []
    for level in range(len(strides) + 1):
        upcoming = strides[level] if level < len(strides) else cubic
        waits = level < len(strides) and max(upcoming) > min(upcoming) == 1
        kernels.append(
            tuple(
                1 if waits and size == 1 and _never_shrunk(strides, level, axis) else 3
                for axis, size in enumerate(upcoming)
            )
        )
    return kernels


def _never_shrunk(strides: Sequence[tuple[int, ...]], level: int, axis: int) -> bool:
    before = all(stride[axis] == 1 for stride in strides[:level])
    return before and any(stride[axis] > 1 for stride in strides[level:])


def _norm(axes: int, width: int, kind: str) -> nn.Module:
    if kind == "batch":
        return _BATCH_NORM[axes](width)
    # One group a channel is instance normalisation, in the kernel that keeps channels-last.
    return nn.GroupNorm(width, width)


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
            nn.init.kaiming_normal_(module.weight, a=_SLOPE)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def divisor(strides: Sequence[Sequence[int]], axes: int) -> tuple[int, ...]:
    """Return what every spatial size must be a multiple of."""
    sizes = [1] * axes
    for stride in strides:
        sizes = [size * step for size, step in zip(sizes, stride, strict=True)]
    return tuple(sizes)
