"""Random rotation, scaling and shift of whole batches, as maps that torch samples along."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def random_maps(
    shape: Sequence[int],
    spacing: Sequence[float],
    generator: torch.Generator,
    *,
    rotation: float,
    scaling: float,
    shift: float,
) -> Tensor:
    """Draw one affine map for each image of a batch, for `torch.nn.functional.affine_grid`.

    Args:
        shape: Of the batch, (batch, channels, *spatial).
        spacing: Of the spatial axes, in millimetres: rotations keep the object's real shape.
        generator: Of the processor, whatever the batch's device.
        rotation: Largest angle in a plane, in radians; each plane is turned half the time.
        scaling: Largest relative change of size.
        shift: Largest shift, as a share of the image.

    Returns:
        (batch, d, d + 1) maps from output to input, in (x, y, z) order, on the processor.
    """
    count, axes = shape[0], len(shape) - 2
    # The extent in millimetres, last axis first, as grid_sample counts them.
    sizes = [n * s for n, s in zip(shape[2:], spacing, strict=True)]
    extent = torch.tensor(sizes[::-1], dtype=torch.float32)
    linear = torch.eye(axes).repeat(count, 1, 1)
    for first in range(axes):
        for second in range(first + 1, axes):
            angle = _draw(count, generator) * rotation
            angle = torch.where(torch.rand(count, generator=generator) < 0.5, angle, 0.0)
            turn = torch.eye(axes).repeat(count, 1, 1)
            turn[:, first, first] = turn[:, second, second] = angle.cos()
            turn[:, first, second] = -angle.sin()
            turn[:, second, first] = angle.sin()
            linear = linear @ turn
    scale = 1.0 + scaling * _draw(count, generator)
    stretch = 1.0 + 0.4 * scaling * _draw((count, axes), generator)
    linear = linear * (scale[:, None, None] * stretch[:, None, :])
    linear = linear * extent[None, None, :] / extent[None, :, None]
    offset = 2.0 * shift * _draw((count, axes), generator)
    return torch.cat([linear, offset[:, :, None]], dim=2)


def _draw(shape: int | tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw uniform numbers from -1 to 1."""
    return 2.0 * torch.rand(shape, generator=generator) - 1.0
