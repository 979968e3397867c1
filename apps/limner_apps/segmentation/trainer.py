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
from limner_apps.learning import device as devices
from limner_apps.learning.checkpoint import Checkpoints
from limner_apps.learning.schedule import Diverged, average_in, mixed_seed, one_cycle
from limner_apps.segmentation.augment import Augmentation
from limner_apps.segmentation.batches import BatchDraw, TrainingCase
from limner_apps.segmentation.losses import DeepDiceCrossEntropy
from limner_apps.segmentation.network import UNet, divisor
from limner_apps.segmentation.plan import Plan
from limner_apps.segmentation.state import RunState

_log = logging.getLogger(__name__)

_RATE = 3e-3
"""Peak learning rate."""
_DECAY = 1e-2
_GRADIENT_NORM = 12.0


class Run:
    """A training under way.

    Args:
        network: What is trained; its weights are those of `state` where that has some.
        state: Where the training stands; kept up to date.
        steps: The whole budget.
        seed: Decides batches, augmentation and dropout.
        device: Where it runs.
    """

    def __init__(
        self, network: UNet, state: RunState, *, steps: int, seed: int, device: torch.device
    ) -> None:
        self.state = state
        self._network = network
        self._steps = steps
        self._seed = seed
        self._device = device
        if state.network:
            network.load_state_dict(state.network)
        devices.place(network, state.plan.network_axes, device)
        self._optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
        if state.optimiser:
            self._optimiser.load_state_dict(state.optimiser)
        start = state.average or network.state_dict()
        self._average = {name: value.detach().clone().to(device) for name, value in start.items()}
        half = devices.half_precision(device)
        self._scaler = torch.amp.GradScaler(device.type, enabled=half == torch.float16)
        self._loss = DeepDiceCrossEntropy()

    def go(
        self, cases: Sequence[TrainingCase], watch: Watch, checkpoints: Checkpoints
    ) -> dict[str, Tensor]:
        """Take the steps that are left.

        Returns:
            The averaged weights, on the processor.

        Raises:
            Stopped: The watch said so; the state is saved.
            Diverged: The loss is not finite.
            PluginError: Memory runs out even with the smallest batch and patch.
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
                loss = self._step(draw)
            except (RuntimeError, MemoryError) as error:
                if not devices.is_out_of_memory(error):
                    raise
                draw = self._shrink(cases, error)
                continue
            self._advance(loss)
            watch.progress(
                Progress(
                    step=self.state.step,
                    total=self._steps,
                    losses={"dice_ce": self.state.loss},
                    message="training",
                )
            )
            if checkpoints.due:
                self._save(checkpoints)
        return {name: value.cpu() for name, value in self._average.items()}

    def _step(self, draw: BatchDraw) -> float:
        """Take one optimiser step and return its loss; all its randomness is by seed and step."""
        step = self.state.step
        torch.manual_seed(mixed_seed(self._seed, step))
        images, labels = draw(step)
        plan = self.state.plan
        augmentation = Augmentation(
            spacing=tuple(plan.spacing[axis] for axis in plan.plane),
            mirrored=tuple(index for index, axis in enumerate(plan.plane) if axis in plan.mirrored),
        )
        images = devices.sent_to(self._device, images)
        labels = devices.sent_to(self._device, labels)
        generator = torch.Generator().manual_seed(mixed_seed(self._seed + 1, step))
        images, labels = augmentation(images, labels, generator)
        for group in self._optimiser.param_groups:
            group["lr"] = _RATE * one_cycle(step, self._steps)
        self._optimiser.zero_grad(set_to_none=True)
        with devices.mixed_precision(self._device):
            logits = self._network(devices.arrange(images, self._device))
        loss = self._loss(logits, labels)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Diverged(f"the loss is {value} at step {step}")
        scaled: Any = self._scaler.scale(loss)
        scaled.backward()
        self._scaler.unscale_(self._optimiser)
        nn.utils.clip_grad_norm_(self._network.parameters(), _GRADIENT_NORM)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        return value

    def _advance(self, loss: float) -> None:
        step = self.state.step
        self.state.loss = loss if step == 0 else 0.95 * self.state.loss + 0.05 * loss
        average_in(self._average, self._network.state_dict(), step, self._steps)
        self.state.step = step + 1

    def _save(self, checkpoints: Checkpoints) -> None:
        self.state.network = dict(self._network.state_dict())
        self.state.average = self._average
        self.state.optimiser = self._optimiser.state_dict()
        self.state.save(checkpoints)

    def _shrink(self, cases: Sequence[TrainingCase], error: BaseException) -> BatchDraw:
        """Answer running out of memory by a smaller batch, then a smaller patch."""
        smaller = shrink_plan(self.state.plan)
        if smaller is None:
            raise PluginError(
                "Memory ran out even with one smallest patch a step; take a smaller width, "
                "another dimension or another device."
            ) from error
        self._optimiser.zero_grad(set_to_none=True)
        devices.release(self._device)
        plan = self.state.plan
        note = (
            f"Memory ran out at step {self.state.step} with a batch of {plan.batch} patches of "
            f"{plan.patch}; went on with {smaller.batch} of {smaller.patch}."
        )
        _log.warning("%s", note)
        self.state.notes.append(note)
        self.state.plan = smaller
        return BatchDraw(cases, smaller, self._seed)


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
