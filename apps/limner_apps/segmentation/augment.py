"""Augmentation of whole batches in torch.

A few milliseconds a step, where one image after another takes longer than the network's own pass
on a processor.

Rotation, scaling and mirroring as nnU-Net has them (Isensee et al. 2021, supplement 4), and the
intensities of `limner_apps.learning.shading`. Every draw comes from the generator given, on the
processor, so a seed decides all.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from limner_apps.learning.motion import random_maps
from limner_apps.learning.shading import shade
from limner_apps.segmentation.labelled import IGNORED


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
            labels: (batch, *spatial) int64, class indices or `IGNORED`.
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
        return shade(images, generator, bias_field=self.bias_field), labels

    def _move(
        self, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        theta = random_maps(
            images.shape,
            self.spacing,
            generator,
            rotation=self.rotation,
            scaling=self.scaling,
            shift=self.shift,
        ).to(images.device)
        grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
        moved = functional.grid_sample(
            images, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        # Outside the image there is nothing to outline: zero is background. Outside a view of which
        # a part is not labelled, nobody knows.
        is_partial = (labels == IGNORED).flatten(1).any(dim=1)
        beyond = (is_partial * IGNORED).reshape(-1, *(1,) * (labels.dim() - 1))
        masks = functional.grid_sample(
            (labels - beyond)[:, None].float(),
            grid,
            mode="nearest",
            padding_mode="zeros",
            align_corners=False,
        )
        return moved, masks[:, 0].long() + beyond
