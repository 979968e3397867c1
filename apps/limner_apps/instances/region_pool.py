"""Cutting the features of boxes out of a pyramid: RoIAlign that is fast to train on a processor.

torchvision's backward pass of RoIAlign uses one thread and took 40 % of a training step on a
processor. A bin's value is a mean of bilinear samples on a grid, so it is a product of a matrix for
the rows and one for the columns; as matrix products it gives the same values in a tenth of the
time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.ops import MultiScaleRoIAlign, roi_align

_SAMPLES = 2
"""Bilinear samples along each side of a bin."""


class RegionPool(MultiScaleRoIAlign):  # type: ignore[misc]
    """Takes each box's features from the level that suits its size.

    Args:
        strides: Pixels between neighbours of each level, finest first.
        finest_side: Boxes with a side of less than twice this are taken from the finest level.
        size: Bins along each side of a region.
    """

    def __init__(self, strides: Sequence[int], finest_side: float, size: int) -> None:
        names = [str(level) for level in range(len(strides))]
        super().__init__(names, size, _SAMPLES)
        self._strides = tuple(strides)
        self._finest_side = finest_side
        self._size = size

    def forward(
        self, features: dict[str, Tensor], boxes: list[Tensor], image_sizes: object
    ) -> Tensor:
        """Return (boxes, channels, size, size) of all images' boxes, in their order.

        Args:
            features: Maps (batch, channels, *spatial) by level; more than the strides are ignored.
            boxes: For each image (n, 4) of x and y of the first corner, then of the last.
            image_sizes: Not needed; part of torchvision's signature.
        """
        maps = [features[str(level)] for level in range(len(self._strides))]
        together = torch.cat(boxes)
        owner = torch.cat(
            [torch.full((len(each),), i, device=each.device) for i, each in enumerate(boxes)]
        )
        sides = (together[:, 2:] - together[:, :2]).prod(dim=1).clamp_min(1e-6).sqrt()
        levels = (torch.log2(sides / self._finest_side) + 1e-6).floor()
        levels = levels.clamp(0, len(maps) - 1).long()
        parts, places = [], []
        by_matrices = torch.is_grad_enabled() and maps[0].device.type == "cpu"
        for level, (stride, each) in enumerate(zip(self._strides, maps, strict=True)):
            if not by_matrices:
                rows = (levels == level).nonzero()[:, 0]
                if len(rows):
                    regions = torch.cat([owner[rows, None].to(each.dtype), together[rows]], dim=1)
                    parts.append(roi_align(each, regions, self._size, 1 / stride, _SAMPLES))
                    places.append(rows)
                continue
            for index in range(len(boxes)):
                rows = ((levels == level) & (owner == index)).nonzero()[:, 0]
                if len(rows):
                    parts.append(align(each[index], together[rows], self._size, 1 / stride))
                    places.append(rows)
        if not parts:
            return maps[0].new_zeros((0, maps[0].shape[1], self._size, self._size))
        return torch.cat(parts)[torch.cat(places).argsort()]


def align(features: Tensor, boxes: Tensor, size: int, scale: float) -> Tensor:
    """Return what torchvision's `roi_align` returns with two samples along each side of a bin.

    Args:
        features: (channels, rows, columns).
        boxes: (n, 4) of x and y.
        size: Bins along each side.
        scale: Of a feature map's pixel to a box's.
    """
    channels, height, width = features.shape
    count = len(boxes)
    corners = (boxes * scale).float()
    with torch.autocast(features.device.type, enabled=False):
        down = _shares(corners[:, 1], corners[:, 3], size, height).reshape(count * size, height)
        across = _shares(corners[:, 0], corners[:, 2], size, width)
        flat = features.float().permute(1, 2, 0).reshape(height, width * channels)
        rows = (down @ flat).reshape(count, size, width, channels)
        rows = rows.permute(0, 2, 1, 3).reshape(count, width, size * channels)
        bins = torch.bmm(across, rows).reshape(count, size, size, channels)
    return bins.permute(0, 3, 2, 1)


def _shares(first: Tensor, last: Tensor, size: int, length: int) -> Tensor:
    """Return how much each of `length` pixels counts in each bin, (n, size, length)."""
    steps = (torch.arange(size * _SAMPLES, device=first.device) + 0.5) / (size * _SAMPLES)
    where = first[:, None] + steps * (last - first).clamp_min(1.0)[:, None]
    inside = ((where >= -1) & (where <= length)).to(where.dtype)
    where = where.clamp(0, length - 1)
    pixels = torch.arange(length, device=first.device)
    weights = (1 - (pixels - where[..., None]).abs()).clamp_min(0) * inside[..., None]
    return weights.reshape(len(first), size, _SAMPLES, length).mean(dim=2)
