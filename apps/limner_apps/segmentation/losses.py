"""Soft Dice with cross-entropy, at every resolution of the decoder."""

from __future__ import annotations

import torch
from monai.losses import DiceCELoss
from torch import Tensor
from torch.nn import functional


class DeepDiceCrossEntropy:
    """Dice and cross-entropy (Isensee et al. 2021), coarser levels half as much as the finer.

    Dice leaves background out, is taken over the batch as one, and is smoothed by one voxel, so a
    class that does not occur in a batch neither divides by zero nor dominates.
    """

    def __init__(self) -> None:
        self._loss = DiceCELoss(
            include_background=False,
            to_onehot_y=True,
            softmax=True,
            batch=True,
            smooth_nr=1.0,
            smooth_dr=1.0,
        )

    def __call__(self, logits: list[Tensor], labels: Tensor) -> Tensor:
        """Return the loss.

        Args:
            logits: (batch, classes, *spatial) each, finest first.
            labels: (batch, *spatial) int64.
        """
        total = torch.zeros((), device=labels.device)
        weights = 0.0
        for level, answer in enumerate(logits):
            truth = labels[:, None]
            if level:
                # Nearest: class indices cannot be averaged.
                truth = functional.interpolate(
                    truth.float(), size=answer.shape[2:], mode="nearest"
                ).long()
            weight = 0.5**level
            total = total + weight * self._loss(answer.float(), truth)
            weights += weight
        return total / weights
