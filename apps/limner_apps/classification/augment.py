"""Augmentation of whole batches in torch; every draw comes from the generator given.

Only what leaves the class of any image as it is: small rotations, scalings and shifts, and changes
of intensity. Mirroring is left to the plan.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from limner_apps.learning.motion import random_maps
from limner_apps.learning.shading import shade

_ROTATION = 0.2
"""Largest angle in a plane, in radians."""
_SCALING = 0.15
"""Largest relative change of size."""
_SHIFT = 0.06
"""Largest shift, as a share of the image."""


def augment(images: Tensor, generator: torch.Generator, mirrored: Sequence[int]) -> Tensor:
    """Vary a batch.

    Args:
        images: (batch, channels, *spatial) float32, of about zero mean and unit spread.
        generator: Of the processor, whatever the batch's device.
        mirrored: Spatial axes that are mirrored half the time.

    Returns:
        A new tensor of the same shape.
    """
    axes = images.dim() - 2
    theta = random_maps(
        images.shape,
        (1.0,) * axes,
        generator,
        rotation=_ROTATION,
        scaling=_SCALING,
        shift=_SHIFT,
    ).to(images.device)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    images = functional.grid_sample(
        images, grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    for axis in mirrored:
        chosen = torch.rand(len(images), generator=generator) < 0.5
        index = chosen.nonzero().flatten().to(images.device)
        images[index] = images[index].flip(2 + axis)
    return shade(images, generator, bias_field=False)
