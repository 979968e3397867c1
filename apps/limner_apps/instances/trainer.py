"""The optimiser steps of a Mask R-CNN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from limner.plugin import PluginError
from limner_apps.instances.batches import BatchDraw
from limner_apps.instances.crops import TrainingCase
from limner_apps.instances.network import InstanceNetwork
from limner_apps.instances.plan import Plan
from limner_apps.learning import device as devices
from limner_apps.learning import run
from limner_apps.learning.state import RunState

_RATE = 1e-3
"""Peak learning rate."""
_DECAY = 2e-2
_GRADIENT_NORM = 5.0
_SMALLEST_CROP = 64
_DIVISOR = 32


class Run(run.Run[RunState[Plan], TrainingCase, BatchDraw]):
    """A training under way.

    Args:
        network: What is trained; its weights are those of `state` where that has some.
        state: Where the training stands; kept up to date.
        steps: The whole budget.
        seed: Decides batches, augmentation, sampling and dropout.
        device: Where it runs.
    """

    def __init__(
        self,
        network: InstanceNetwork,
        state: RunState[Plan],
        *,
        steps: int,
        seed: int,
        device: torch.device,
    ) -> None:
        devices.place(network, 2, device)
        super().__init__(
            network,
            state,
            torch.optim.AdamW(_groups(network), lr=_RATE),
            steps=steps,
            seed=seed,
            device=device,
            rate=_RATE,
            gradient_norm=_GRADIENT_NORM,
        )
        self._detector = network

    def _draw(self, cases: Sequence[TrainingCase]) -> BatchDraw:
        return BatchDraw(cases, self.state.plan, self._seed)

    def _losses(self, draw: BatchDraw) -> dict[str, Tensor]:
        images, targets = draw(self.state.step)
        images = devices.arrange(devices.sent_to(self._device, images), self._device)
        with devices.mixed_precision(self._device):
            return self._detector.losses(images, targets)

    def _shrink(self, error: BaseException) -> str:
        """Take a smaller batch, then a smaller crop."""
        plan = self.state.plan
        smaller = shrink_plan(plan)
        if smaller is None:
            raise PluginError(
                "Memory ran out even with one smallest crop a step; take a smaller width, the "
                "light model or another device."
            ) from error
        self.state.plan = smaller
        return (
            f"{plan.batch} crops of {plan.crop} pixels; went on with {smaller.batch} of "
            f"{smaller.crop}"
        )


def shrink_plan(plan: Plan) -> Plan | None:
    """Return a plan that needs less memory; None when there is none."""
    if plan.batch > 1:
        return replace(plan, batch=plan.batch // 2)
    crop = max(_SMALLEST_CROP, int(0.75 * plan.crop / _DIVISOR) * _DIVISOR)
    return replace(plan, crop=crop) if crop < plan.crop else None


def _groups(network: nn.Module) -> list[dict[str, Any]]:
    """Let weights decay, but not the offsets and scales of normalisation and biases."""
    weights = [each for each in network.parameters() if each.requires_grad and each.dim() > 1]
    others = [each for each in network.parameters() if each.requires_grad and each.dim() <= 1]
    return [
        {"params": weights, "weight_decay": _DECAY},
        {"params": others, "weight_decay": 0.0},
    ]
