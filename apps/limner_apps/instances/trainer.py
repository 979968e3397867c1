"""One run of optimiser steps, from a state to the end of the budget."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from limner.plugin import PluginError, Progress, Stopped, Watch
from limner_apps.instances.batches import BatchDraw
from limner_apps.instances.crops import TrainingCase
from limner_apps.instances.network import InstanceNetwork
from limner_apps.instances.plan import Plan
from limner_apps.instances.state import RunState
from limner_apps.learning import device as devices
from limner_apps.learning.checkpoint import Checkpoints
from limner_apps.learning.schedule import Diverged, average_in, mixed_seed, one_cycle

_log = logging.getLogger(__name__)

_RATE = 1e-3
"""Peak learning rate."""
_DECAY = 2e-2
_GRADIENT_NORM = 5.0
_SMALLEST_CROP = 64
_DIVISOR = 32


class Run:
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
        state: RunState,
        *,
        steps: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.state = state
        self._network = network
        self._steps = steps
        self._seed = seed
        self._device = device
        if state.network:
            network.load_state_dict(state.network)
        devices.place(network, 2, device)
        self._optimiser = torch.optim.AdamW(_groups(network), lr=_RATE)
        if state.optimiser:
            self._optimiser.load_state_dict(state.optimiser)
        start = state.average or network.state_dict()
        self._average = {name: value.detach().clone().to(device) for name, value in start.items()}
        half = devices.half_precision(device)
        self._scaler = torch.amp.GradScaler(device.type, enabled=half == torch.float16)

    def go(
        self, cases: Sequence[TrainingCase], watch: Watch, checkpoints: Checkpoints
    ) -> dict[str, Tensor]:
        """Take the steps that are left.

        Returns:
            The averaged weights, on the processor.

        Raises:
            Stopped: The watch said so; the state is saved.
            Diverged: The loss is not finite.
            PluginError: Memory runs out even with the smallest batch and crop.
        """
        draw = BatchDraw(cases, self.state.plan, self._seed)
        self._network.train()
        while self.state.step < self._steps:
            if watch.should_stop():
                self._save(checkpoints)
                raise Stopped(
                    f"The training was told to stop after {self.state.step} of {self._steps} "
                    "steps; the same request goes on from there."
                )
            try:
                losses = self._step(draw)
            except (RuntimeError, MemoryError) as error:
                if not devices.is_out_of_memory(error):
                    raise
                draw = self._shrink(cases, error)
                continue
            self._advance(losses)
            watch.progress(
                Progress(
                    step=self.state.step,
                    total=self._steps,
                    losses=dict(self.state.losses),
                    message="training",
                )
            )
            if checkpoints.due:
                self._save(checkpoints)
        return {name: value.cpu() for name, value in self._average.items()}

    def _step(self, draw: BatchDraw) -> dict[str, float]:
        """Take one optimiser step and return its losses; all randomness is by seed and step."""
        step = self.state.step
        torch.manual_seed(mixed_seed(self._seed, step))
        images, targets = draw(step)
        images = devices.arrange(devices.sent_to(self._device, images), self._device)
        for group in self._optimiser.param_groups:
            group["lr"] = _RATE * one_cycle(step, self._steps)
        self._optimiser.zero_grad(set_to_none=True)
        with devices.mixed_precision(self._device):
            losses = self._network.losses(images, targets)
        loss = torch.stack([each.float() for each in losses.values()]).sum()
        values = {name: float(each.detach()) for name, each in losses.items()}
        for name, value in values.items():
            if not math.isfinite(value):
                raise Diverged(f"the loss of the {name} is {value} at step {step}")
        scaled: Any = self._scaler.scale(loss)
        scaled.backward()
        self._scaler.unscale_(self._optimiser)
        nn.utils.clip_grad_norm_(self._network.parameters(), _GRADIENT_NORM)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        return values

    def _advance(self, losses: dict[str, float]) -> None:
        step, before = self.state.step, self.state.losses
        self.state.losses = {
            name: 0.95 * before.get(name, value) + 0.05 * value for name, value in losses.items()
        }
        average_in(self._average, self._network.state_dict(), step, self._steps)
        self.state.step = step + 1

    def _save(self, checkpoints: Checkpoints) -> None:
        self.state.network = dict(self._network.state_dict())
        self.state.average = self._average
        self.state.optimiser = self._optimiser.state_dict()
        self.state.save(checkpoints)

    def _shrink(self, cases: Sequence[TrainingCase], error: BaseException) -> BatchDraw:
        """Answer running out of memory by a smaller batch, then a smaller crop."""
        smaller = shrink_plan(self.state.plan)
        if smaller is None:
            raise PluginError(
                "Memory ran out even with one smallest crop a step; take a smaller width, the "
                "light model or another device."
            ) from error
        self._optimiser.zero_grad(set_to_none=True)
        devices.release(self._device)
        plan = self.state.plan
        note = (
            f"Memory ran out at step {self.state.step} with {plan.batch} crops of {plan.crop} "
            f"pixels; went on with {smaller.batch} of {smaller.crop}."
        )
        _log.warning("%s", note)
        self.state.notes.append(note)
        self.state.plan = smaller
        return BatchDraw(cases, smaller, self._seed)


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
