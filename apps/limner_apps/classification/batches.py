"""The training cases in memory, and the draw of a batch from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from limner.plugin import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingCase:
    """One preprocessed image and its label."""

    image: FloatArray
    """(channels, *spatial); may be memory-mapped."""
    classes: npt.NDArray[np.uint8]
    """(classes,), 1 for those that the image has."""
    is_new: bool
    """As in `limner.plugin.Case`."""


class BatchDraw:
    """Draws batches; the same seed and step give the same batch.

    Args:
        cases: What to draw from.
        shares: How often each is drawn, summing to one.
        batch: Images in a step.
        seed: Decides every draw.
    """

    def __init__(
        self,
        cases: Sequence[TrainingCase],
        shares: npt.NDArray[np.float64],
        batch: int,
        seed: int,
    ) -> None:
        self._cases = cases
        self._shares = shares
        self._batch = batch
        self._seed = seed

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Draw the batch of a step.

        Returns:
            Images (batch, channels, *spatial) and classes (batch, classes), both float32.
        """
        random = np.random.default_rng([self._seed & 0xFFFF_FFFF_FFFF, step])
        chosen = random.choice(len(self._cases), size=self._batch, p=self._shares)
        images = np.stack([self._cases[index].image for index in chosen])
        classes = np.stack([self._cases[index].classes for index in chosen])
        return torch.from_numpy(images), torch.from_numpy(classes.astype(np.float32))
