"""The draw of a batch of crops from the training cases."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from limner.plugin import FloatArray
from limner_apps.instances.augment import LARGEST_ZOOM, SMALLEST_ZOOM, augment
from limner_apps.instances.crops import Target, TrainingCase, cut
from limner_apps.instances.plan import Plan
from limner_apps.learning.new_labels import draw_shares

_ON_OBJECT = 0.7
"""Share of the crops that are placed around an object, where there is one."""


class BatchDraw:
    """Draws batches; the same seed and step give the same batch.

    Args:
        cases: What to draw from.
        plan: How a batch looks.
        seed: Decides every draw.
    """

    def __init__(self, cases: Sequence[TrainingCase], plan: Plan, seed: int) -> None:
        self._cases = cases
        self._plan = plan
        self._seed = seed
        self._shares = draw_shares([case.is_new for case in cases])

    def __call__(self, step: int) -> tuple[Tensor, list[Target]]:
        """Draw the batch of a step.

        Returns:
            Images (batch, channels, crop, crop) float32, and the objects of each.
        """
        random = np.random.default_rng([self._seed & 0xFFFF_FFFF_FFFF, step])
        chosen = random.choice(len(self._cases), size=self._plan.batch, p=self._shares)
        crops = [self._crop(self._cases[index], random) for index in chosen]
        images = torch.from_numpy(np.stack([image for image, _ in crops]))
        return images, [target for _, target in crops]

    def _crop(self, case: TrainingCase, random: np.random.Generator) -> tuple[FloatArray, Target]:
        size = self._plan.crop
        zoom = math.exp(random.uniform(math.log(SMALLEST_ZOOM), math.log(LARGEST_ZOOM)))
        centre: npt.NDArray[np.float64] | None = None
        if len(case.target.boxes) and random.random() < _ON_OBJECT:
            box = case.target.boxes[random.integers(len(case.target.boxes))]
            centre = 0.5 * (box[:2] + box[2:]).astype(np.float64)
        corner = []
        for axis, have in enumerate(case.image.shape[1:]):
            spare = have - size / zoom
            if centre is None or spare <= 0:
                corner.append(float(random.uniform(min(0.0, spare), max(0.0, spare))))
            else:
                # Anywhere in the crop but its very edge, so that objects are seen off-centre too.
                at = centre[axis] * have / case.shape[axis] - random.uniform(0.2, 0.8) * size / zoom
                corner.append(float(min(max(at, 0.0), spare)))
        image, target = cut(case, size, zoom, (corner[0], corner[1]))
        return augment(image, target, self._plan.polarity, random)
