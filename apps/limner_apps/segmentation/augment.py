"""Augmentation of whole batches in torch.

A few milliseconds a step, where one image after another takes longer than the network's own pass
on a processor.

The set and the ranges follow nnU-Net (Isensee et al. 2021, supplement 4): rotation, scaling,
noise, blur, brightness, contrast, low resolution, gamma, mirroring; and a smooth bias field for
magnetic resonance. Every draw comes from the generator given, on the processor, so a seed decides
all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """What is varied, and how much."""

    spacing: tuple[float, ...]
    """Of the spatial axes, in millimetres: rotations keep the object's real shape."""
    rotation: float = 0.35
    """Largest angle in a plane, in radians."""
    scaling: float = 0.2
    """Largest relative change of size."""
    shift: float = 0.08
    """Largest shift, as a share of the patch."""
    mirrored: tuple[int, ...] = ()
    """Spatial axes that are mirrored half the time."""
    bias_field: bool = True
    """Whether a smooth multiplicative field is laid over."""

    def __call__(
        self, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Vary a batch.

        Args:
            images: (batch, channels, *spatial) float32, normalised to about zero mean, unit spread.
            labels: (batch, *spatial) int64, class indices.
            generator: Of the processor, whatever the batch's device.

        Returns:
            New tensors of the same shapes and dtypes.
        """
        images, labels = self._move(images, labels, generator)
        for axis in self.mirrored:
            chosen = torch.rand(len(images), generator=generator) < 0.5
            index = chosen.nonzero().flatten().to(images.device)
            images[index] = images[index].flip(2 + axis)
            labels[index] = labels[index].flip(1 + axis)
        return self._shade(images, generator), labels

    def _move(
        self, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        theta = self._matrices(images, generator).to(images.device)
        grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
        moved = functional.grid_sample(
            images, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        # Outside the image there is nothing to outline: zero is background.
        masks = functional.grid_sample(
            labels[:, None].float(), grid, mode="nearest", padding_mode="zeros", align_corners=False
        )
        return moved, masks[:, 0].long()

    def _matrices(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Draw (batch, d, d + 1) maps from output to input, in grid_sample's (x, y, z) order."""
        count, axes = len(images), images.dim() - 2
        # The extent in millimetres, last axis first, as grid_sample counts them.
        sizes = [n * s for n, s in zip(images.shape[2:], self.spacing, strict=True)]
        extent = torch.tensor(sizes[::-1], dtype=torch.float32)
        linear = torch.eye(axes).repeat(count, 1, 1)
        for first in range(axes):
            for second in range(first + 1, axes):
                angle = self._draw(count, generator) * self.rotation
                angle = torch.where(torch.rand(count, generator=generator) < 0.5, angle, 0.0)
                turn = torch.eye(axes).repeat(count, 1, 1)
                turn[:, first, first] = turn[:, second, second] = angle.cos()
                turn[:, first, second] = -angle.sin()
                turn[:, second, first] = angle.sin()
                linear = linear @ turn
        scale = 1.0 + self.scaling * self._draw(count, generator)
        stretch = 1.0 + 0.4 * self.scaling * self._draw((count, axes), generator)
        linear = linear * (scale[:, None, None] * stretch[:, None, :])
        linear = linear * extent[None, None, :] / extent[None, :, None]
        shift = 2.0 * self.shift * self._draw((count, axes), generator)
        return torch.cat([linear, shift[:, :, None]], dim=2)

    def _shade(self, images: Tensor, generator: torch.Generator) -> Tensor:
        count, axes = len(images), images.dim() - 2

        def column(low: float, high: float, share: float, neutral: float) -> Tensor:
            values = low + (high - low) * torch.rand(count, generator=generator)
            on = torch.rand(count, generator=generator) < share
            values = torch.where(on, values, neutral)
            return values.reshape(-1, *(1,) * (axes + 1)).to(images.device)

        images = _gamma(images, column(math.log(0.7), math.log(1.5), 0.3, 0.0).exp())
        centre = images.mean(dim=tuple(range(2, axes + 2)), keepdim=True)
        contrast = column(0.7, 1.35, 0.3, 1.0)
        brightness = column(-0.3, 0.3, 0.3, 0.0)
        images = (images - centre) * contrast + centre + brightness
        if self.bias_field:
            coarse = torch.randn((count, 1, *(3,) * axes), generator=generator).to(images.device)
            strength = column(0.0, 0.3, 0.3, 0.0)
            mode = "bilinear" if axes == 2 else "trilinear"
            field = functional.interpolate(
                coarse, size=images.shape[2:], mode=mode, align_corners=True
            )
            images = images * (strength * field).exp()
        images = _coarsen(images, generator, share=0.2)
        images = _blur(images, generator, share=0.15)
        noise = torch.randn(images.shape, generator=generator).to(images.device)
        return images + column(0.0, 0.15, 0.25, 0.0) * noise

    @staticmethod
    def _draw(shape: int | tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Draw uniform numbers from -1 to 1."""
        return 2.0 * torch.rand(shape, generator=generator) - 1.0


def _gamma(images: Tensor, exponents: Tensor) -> Tensor:
    """Bend the intensities between their smallest and largest value; 1 leaves them."""
    spatial = tuple(range(2, images.dim()))
    low = images.amin(dim=spatial, keepdim=True)
    spread = (images.amax(dim=spatial, keepdim=True) - low).clamp_min(1e-6)
    return ((images - low) / spread).clamp(0.0, 1.0) ** exponents * spread + low


def _chosen(count: int, share: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=generator) < share).nonzero().flatten()


def _coarsen(images: Tensor, generator: torch.Generator, *, share: float) -> Tensor:
    """Throw away resolution of some images, as a coarser scan would have."""
    index = _chosen(len(images), share, generator).to(images.device)
    factor = 1.0 + float(torch.rand(1, generator=generator))
    if len(index) == 0:
        return images
    size = [max(1, round(n / factor)) for n in images.shape[2:]]
    mode = "bilinear" if images.dim() == 4 else "trilinear"
    small = functional.interpolate(images[index], size=size, mode="nearest")
    back = functional.interpolate(small, size=images.shape[2:], mode=mode, align_corners=False)
    return images.index_copy(0, index, back)


def _blur(images: Tensor, generator: torch.Generator, *, share: float) -> Tensor:
    """Smooth some images with one Gaussian of 0.4 to 1 pixels."""
    index = _chosen(len(images), share, generator).to(images.device)
    sigma = 0.4 + 0.6 * float(torch.rand(1, generator=generator))
    if len(index) == 0:
        return images
    weights = torch.exp(-0.5 * (torch.arange(-2, 3, dtype=torch.float32) / sigma) ** 2)
    weights = (weights / weights.sum()).to(images.device)
    part = images[index]
    for axis in range(2, images.dim()):
        # Sums of shifted copies beat a grouped convolution of one channel a group.
        size = part.shape[axis]
        wide = torch.cat([part.narrow(axis, 0, 1)] * 2 + [part], dim=axis)
        wide = torch.cat([wide] + [part.narrow(axis, size - 1, 1)] * 2, dim=axis)
        part = sum(
            (weights[tap] * wide.narrow(axis, tap, size) for tap in range(1, 5)),
            start=weights[0] * wide.narrow(axis, 0, size),
        )
    return images.index_copy(0, index, part)
