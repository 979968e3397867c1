"""One run of optimiser steps, from a state to the end of the budget."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from limner.plugin import LabelSchema, PluginError, Progress, Stopped, Watch
from limner_apps.classification.augment import augment
from limner_apps.classification.batches import BatchDraw, TrainingCase
from limner_apps.classification.imbalance import case_shares, class_weights
from limner_apps.classification.losses import classification_loss
from limner_apps.classification.network import Classifier
from limner_apps.classification.state import RunState
from limner_apps.learning import device as devices
from limner_apps.learning.checkpoint import Checkpoints
from limner_apps.learning.schedule import Diverged, average_in, mixed_seed, one_cycle

_log = logging.getLogger(__name__)

_RATE = 3e-3
"""Peak learning rate."""
_DECAY = 5e-2
_GRADIENT_NORM = 5.0
_SMALLEST_BATCH = 2
"""Batch normalisation compares images with each other."""


class Run:
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
        state: RunState,
        schema: LabelSchema,
        *,
        steps: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.state = state
        self._network = network
        self._schema = schema
        self._steps = steps
        self._seed = seed
        self._device = device
        if state.network:
            network.load_state_dict(state.network)
        devices.place(network, state.plan.axes, device)
        self._optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
        if state.optimiser:
            self._optimiser.load_state_dict(state.optimiser)
        start = state.average or network.state_dict()
        self._average = {name: value.detach().clone().to(device) for name, value in start.items()}
        half = devices.half_precision(device)
        self._scaler = torch.amp.GradScaler(device.type, enabled=half == torch.float16)
        self._weights: Tensor | None = None

    def go(
        self, cases: Sequence[TrainingCase], watch: Watch, checkpoints: Checkpoints | None
    ) -> dict[str, Tensor]:
        """Take the steps that are left.

        Args:
            cases: What to learn from.
            watch: Told of every step.
            checkpoints: Where to keep the state; None keeps none.

        Returns:
            The averaged weights, on the processor.

        Raises:
            Stopped: The watch said so; the state is saved.
            Diverged: The loss is not finite.
            PluginError: Memory runs out even with the smallest batch.
        """
        weights = class_weights(cases, self.state.imbalance, self._schema)
        self._weights = None if weights is None else weights.to(self._device)
        draw = self._draw(cases)
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
                self._shrink(error)
                draw = self._draw(cases)
                continue
            self._advance(loss)
            watch.progress(
                Progress(
                    step=self.state.step,
                    total=self._steps,
                    losses={"cross_entropy": self.state.loss},
                    message="training",
                )
            )
            if checkpoints is not None and checkpoints.due:
                self._save(checkpoints)
        return {name: value.cpu() for name, value in self._average.items()}

    def _draw(self, cases: Sequence[TrainingCase]) -> BatchDraw:
        shares = case_shares(cases, self.state.imbalance)
        return BatchDraw(cases, shares, self.state.plan.batch, self._seed)

    def _step(self, draw: BatchDraw) -> float:
        """Take one optimiser step and return its loss; all its randomness is by seed and step."""
        step = self.state.step
        torch.manual_seed(mixed_seed(self._seed, step))
        images, classes = draw(step)
        images = devices.sent_to(self._device, images)
        classes = devices.sent_to(self._device, classes)
        generator = torch.Generator().manual_seed(mixed_seed(self._seed + 1, step))
        images = augment(images, generator, self.state.plan.mirrored)
        for group in self._optimiser.param_groups:
            group["lr"] = _RATE * one_cycle(step, self._steps)
        self._optimiser.zero_grad(set_to_none=True)
        with devices.mixed_precision(self._device):
            logits = self._network(devices.arrange(images, self._device))
        loss = classification_loss(logits.float(), classes, self._weights, self._schema.exclusive)
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

    def _save(self, checkpoints: Checkpoints | None) -> None:
        if checkpoints is None:
            return
        self.state.network = dict(self._network.state_dict())
        self.state.average = self._average
        self.state.optimiser = self._optimiser.state_dict()
        self.state.save(checkpoints)

    def _shrink(self, error: BaseException) -> None:
        """Answer running out of memory by a smaller batch."""
        plan = self.state.plan
        if plan.batch <= _SMALLEST_BATCH:
            raise PluginError(
                f"Memory ran out even with {plan.batch} images a step; take a smaller width, a "
                "smaller image_size or another device."
            ) from error
        self._optimiser.zero_grad(set_to_none=True)
        devices.release(self._device)
        smaller = replace(plan, batch=max(_SMALLEST_BATCH, plan.batch // 2))
        note = (
            f"Memory ran out at step {self.state.step} with a batch of {plan.batch} images; went "
            f"on with {smaller.batch}."
        )
        _log.warning("%s", note)
        self.state.notes.append(note)
        self.state.plan = smaller
