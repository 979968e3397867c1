"""Soft Dice with cross-entropy, at every resolution of the decoder, over what is labelled."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from limner_apps.segmentation.labelled import IGNORED

_SMOOTH = 1.0
"""Voxels added above and below in Dice."""


class DeepDiceCrossEntropy:
    """Dice and cross-entropy (Isensee et al. 2021), coarser levels half as much as the finer.

    Dice leaves background out, is taken over the batch as one, and is smoothed by one voxel, so a
    class that does not occur in a batch neither divides by zero nor dominates. Voxels labelled
    `IGNORED` count on neither side of either.
    """

    def __call__(self, logits: list[Tensor], labels: Tensor) -> Tensor:
        """Return the loss; 0 where no voxel is labelled.

        Args:
            logits: (batch, classes, *spatial) each, finest first.
            labels: (batch, *spatial) int64.
        """
        total = torch.zeros((), device=labels.device)
        weights = 0.0
        for level, answer in enumerate(logits):
            truth = labels
            if level:
                # Nearest: class indices cannot be averaged.
                truth = functional.interpolate(
                    labels[:, None].float(), size=answer.shape[2:], mode="nearest"
                )[:, 0].long()
            weight = 0.5**level
            total = total + weight * _dice_cross_entropy(answer.float(), truth)
            weights += weight
        return total / weights


def _dice_cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the sum of both losses of logits (batch, K, *spatial) and truth (batch, *spatial)."""
    known = truth != IGNORED
    entropies = functional.cross_entropy(logits, truth, ignore_index=IGNORED, reduction="sum")
    cross_entropy = entropies / known.sum().clamp(min=1)
    probabilities = logits.softmax(dim=1)[:, 1:] * known[:, None]
    indices = torch.arange(1, logits.shape[1], device=logits.device)
    hot = truth[:, None] == indices.reshape(1, -1, *(1,) * (truth.dim() - 1))
    axes = (0, *range(2, logits.dim()))
    both = (probabilities * hot).sum(dim=axes)
    sizes = probabilities.sum(dim=axes) + hot.sum(dim=axes)
    dice = (2.0 * both + _SMOOTH) / (sizes + _SMOOTH)
    # A level without any labelled voxel teaches nothing: smoothing alone makes its Dice one.
    return cross_entropy + (1.0 - dice).mean()
