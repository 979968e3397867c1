"""The optimiser steps of a segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from limner.plugin import PluginError
from limner_apps.learning import device as devices
from limner_apps.learning import run
from limner_apps.learning.schedule import mixed_seed
from limner_apps.learning.state import RunState
from limner_apps.segmentation.augment import Augmentation
from limner_apps.segmentation.batches import BatchDraw, TrainingCase
from limner_apps.segmentation.losses import DeepDiceCrossEntropy
from limner_apps.segmentation.network import UNet, divisor
from limner_apps.segmentation.plan import Plan

_RATE = 3e-3
"""Peak learning rate."""
_DECAY = 1e-2
_GRADIENT_NORM = 12.0


class Run(run.Run[RunState[Plan], TrainingCase, BatchDraw]):
    """A training under way.

    Args:
        network: What is trained; its weights are those of `state` where that has some.
        state: Where the training stands; kept up to date.
        steps: The whole budget.
        seed: Decides batches, augmentation and dropout.
        device: Where it runs.
    """

    def __init__(
        self, network: UNet, state: RunState[Plan], *, steps: int, seed: int, device: torch.device
    ) -> None:
        devices.place(network, state.plan.network_axes, device)
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
        self._loss = DeepDiceCrossEntropy()

    def _draw(self, cases: Sequence[TrainingCase]) -> BatchDraw:
        return BatchDraw(cases, self.state.plan, self._seed)

    def _losses(self, draw: BatchDraw) -> dict[str, Tensor]:
        step, plan = self.state.step, self.state.plan
        images, labels = draw(step)
        augmentation = Augmentation(
            spacing=tuple(plan.spacing[axis] for axis in plan.plane),
            mirrored=tuple(index for index, axis in enumerate(plan.plane) if axis in plan.mirrored),
        )
        images = devices.sent_to(self._device, images)
        labels = devices.sent_to(self._device, labels)
        generator = torch.Generator().manual_seed(mixed_seed(self._seed + 1, step))
        images, labels = augmentation(images, labels, generator)
        with devices.mixed_precision(self._device):
            logits = self._network(devices.arrange(images, self._device))
        return {"dice_ce": self._loss(logits, labels)}

    def _shrink(self, error: BaseException) -> str:
        """Take a smaller batch, then a smaller patch."""
        plan = self.state.plan
        smaller = shrink_plan(plan)
        if smaller is None:
            raise PluginError(
                "Memory ran out even with one smallest patch a step; take a smaller width, "
                "another dimension or another device."
            ) from error
        self.state.plan = smaller
        return (
            f"a batch of {plan.batch} patches of {plan.patch}; went on with {smaller.batch} of "
            f"{smaller.patch}"
        )


def shrink_plan(plan: Plan) -> Plan | None:
    """Return a plan that needs less memory; None when there is none."""
    if plan.batch > 1:
        return replace(plan, batch=plan.batch // 2)
    steps = dict(zip(plan.plane, divisor(plan.strides, plan.network_axes), strict=True))
    patch = tuple(
        max(steps[axis], int(0.75 * size / steps[axis]) * steps[axis]) if axis in steps else size
        for axis, size in enumerate(plan.patch)
    )
    return replace(plan, patch=patch) if patch != plan.patch else None
