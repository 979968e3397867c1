"""Random intensities of whole batches: what scanners and exposures do, and labels do not notice.

The set and the ranges follow nnU-Net (Isensee et al. 2021, supplement 4): noise, blur, brightness,
contrast, low resolution, gamma; and a smooth bias field for magnetic resonance.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def shade(images: Tensor, generator: torch.Generator, *, bias_field: bool) -> Tensor:
    """Vary the intensities of a batch.

    Args:
        images: (batch, channels, *spatial) float32, normalised to about zero mean, unit spread.
        generator: Of the processor, whatever the batch's device.
        bias_field: Whether a smooth multiplicative field is laid over.

    Returns:
        A new tensor of the same shape and dtype.
    """
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
    if bias_field:
        coarse = torch.randn((count, 1, *(3,) * axes), generator=generator).to(images.device)
        strength = column(0.0, 0.3, 0.3, 0.0)
        mode = "bilinear" if axes == 2 else "trilinear"
        field = functional.interpolate(coarse, size=images.shape[2:], mode=mode, align_corners=True)
        images = images * (strength * field).exp()
    images = _coarsen(images, generator, share=0.2)
    images = _blur(images, generator, share=0.15)
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    return images + column(0.0, 0.15, 0.25, 0.0) * noise


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
