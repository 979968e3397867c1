"""The optimiser steps of a classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from limner.plugin import LabelSchema, PluginError, Watch
from limner_apps.classification.augment import augment
from limner_apps.classification.batches import BatchDraw, TrainingCase
from limner_apps.classification.imbalance import case_shares, class_weights
from limner_apps.classification.losses import classification_loss
from limner_apps.classification.network import Classifier
from limner_apps.classification.precision import mixed_precision
from limner_apps.classification.state import WeighedState
from limner_apps.learning import device as devices
from limner_apps.learning import run
from limner_apps.learning.checkpoint import Checkpoints
from limner_apps.learning.schedule import mixed_seed

_RATE = 3e-3
"""Peak learning rate."""
_DECAY = 5e-2
_GRADIENT_NORM = 5.0
_SMALLEST_BATCH = 2
"""Batch normalisation compares images with each other."""


class Run(run.Run[WeighedState, TrainingCase, BatchDraw]):
    """A training under way.

    Args:
        network: What is trained; its weights are those of `state` where that has some.
        state: Where the training stands; kept up to date.
        schema: The project's classes.
        steps: The whole budget.
        seed: Decides batches, augmentation and dropout.
        device: Where it runs.
    """

    def __init__(
        self,
        network: Classifier,
        state: WeighedState,
        schema: LabelSchema,
        *,
        steps: int,
        seed: int,
        device: torch.device,
    ) -> None:
        devices.place(network, state.plan.axes, device)
        super().__init__(
            network,
            state,
            torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY),
            steps=steps,
            seed=seed,
            device=device,
            rate=_RATE,
            gradient_norm=_GRADIENT_NORM,
        )
        self._schema = schema
        self._weights: Tensor | None = None

    def go(
        self, cases: Sequence[TrainingCase], watch: Watch, checkpoints: Checkpoints | None
    ) -> dict[str, Tensor]:
        """Take the steps that are left; see `limner_apps.learning.run.Run`."""
        weights = class_weights(cases, self.state.imbalance, self._schema)
        self._weights = None if weights is None else weights.to(self._device)
        return super().go(cases, watch, checkpoints)

    def _draw(self, cases: Sequence[TrainingCase]) -> BatchDraw:
        shares = case_shares(cases, self.state.imbalance)
        return BatchDraw(cases, shares, self.state.plan.batch, self._seed)

    def _losses(self, draw: BatchDraw) -> dict[str, Tensor]:
        step = self.state.step
        images, classes = draw(step)
        images = devices.sent_to(self._device, images)
        classes = devices.sent_to(self._device, classes)
        generator = torch.Generator().manual_seed(mixed_seed(self._seed + 1, step))
        images = augment(images, generator, self.state.plan.mirrored)
        with mixed_precision(self._device, self.state.plan.axes):
            logits = self._network(devices.arrange(images, self._device))
        loss = classification_loss(logits.float(), classes, self._weights, self._schema.exclusive)
        return {"cross_entropy": loss}

    def _shrink(self, error: BaseException) -> str:
        """Take a smaller batch."""
        plan = self.state.plan
        if plan.batch <= _SMALLEST_BATCH:
            raise PluginError(
                f"Memory ran out even with {plan.batch} images a step; take a smaller width, a "
                "smaller image_size or another device."
            ) from error
        smaller = replace(plan, batch=max(_SMALLEST_BATCH, plan.batch // 2))
        self.state.plan = smaller
        return f"a batch of {plan.batch} images; went on with {smaller.batch}"
