"""One run of optimiser steps, from a state to the end of the budget."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from limner.plugin import Progress, Stopped, Watch
from limner_apps.learning import device as devices
from limner_apps.learning.checkpoint import Checkpoints
from limner_apps.learning.schedule import Diverged, average_in, mixed_seed, one_cycle
from limner_apps.learning.state import RunState

_log = logging.getLogger(__name__)

S = TypeVar("S", bound=RunState[Any])
C = TypeVar("C")
D = TypeVar("D")


class Run(ABC, Generic[S, C, D]):
    """A training under way: an app says how batches are drawn and what their losses are.

    Args:
        network: What is trained; its weights are those of `state` where that has some.
        state: Where the training stands; kept up to date.
        optimiser: Of the network's parameters.
        steps: The whole budget.
        seed: Decides batches, augmentation and dropout.
        device: Where it runs; the network is there already.
        rate: Peak learning rate.
        gradient_norm: What gradients are clipped to.
    """

    def __init__(
        self,
        network: nn.Module,
        state: S,
        optimiser: torch.optim.Optimizer,
        *,
        steps: int,
        seed: int,
        device: torch.device,
        rate: float,
        gradient_norm: float,
    ) -> None:
        self.state = state
        self._network = network
        self._optimiser = optimiser
        self._steps = steps
        self._seed = seed
        self._device = device
        self._rate = rate
        self._gradient_norm = gradient_norm
        if state.network:
            network.load_state_dict(state.network)
        if state.optimiser:
            optimiser.load_state_dict(state.optimiser)
        start = state.average or network.state_dict()
        self._average = {name: value.detach().clone().to(device) for name, value in start.items()}
        half = devices.half_precision(device)
        self._scaler = torch.amp.GradScaler(device.type, enabled=half == torch.float16)

    @abstractmethod
    def _draw(self, cases: Sequence[C]) -> D:
        """Return what draws the batches, as the state's plan says now."""

    @abstractmethod
    def _losses(self, draw: D) -> dict[str, Tensor]:
        """Return the losses of the batch of the state's step, by name; their sum is minimised.

        Everything random in it must come from the run's seed and the step.
        """

    @abstractmethod
    def _shrink(self, error: BaseException) -> str:
        """Answer running out of memory by a smaller plan; return a note of it.

        Raises:
            PluginError: There is no smaller plan.
        """

    def go(
        self, cases: Sequence[C], watch: Watch, checkpoints: Checkpoints | None
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
            PluginError: Memory runs out even with the smallest plan.
        """
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
                losses = self._step(draw)
            except (RuntimeError, MemoryError) as error:
                if not devices.is_out_of_memory(error):
                    raise
                self._make_room(error)
                draw = self._draw(cases)
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
            if checkpoints is not None and checkpoints.due:
                self._save(checkpoints)
        return {name: value.cpu() for name, value in self._average.items()}

    def _step(self, draw: D) -> dict[str, float]:
        """Take one optimiser step and return its losses; all randomness is by seed and step."""
        step = self.state.step
        torch.manual_seed(mixed_seed(self._seed, step))
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate * one_cycle(step, self._steps)
        self._optimiser.zero_grad(set_to_none=True)
        losses = self._losses(draw)
        values = {name: float(each.detach()) for name, each in losses.items()}
        for name, value in values.items():
            if not math.isfinite(value):
                raise Diverged(f"the loss of the {name} is {value} at step {step}")
        loss = torch.stack([each.float() for each in losses.values()]).sum()
        scaled: Any = self._scaler.scale(loss)
        scaled.backward()
        self._scaler.unscale_(self._optimiser)
        nn.utils.clip_grad_norm_(self._network.parameters(), self._gradient_norm)
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

    def _save(self, checkpoints: Checkpoints | None) -> None:
        if checkpoints is None:
            return
        self.state.network = dict(self._network.state_dict())
        self.state.average = self._average
        self.state.optimiser = self._optimiser.state_dict()
        self.state.save(checkpoints)

    def _make_room(self, error: BaseException) -> None:
        note = self._shrink(error)
        self._optimiser.zero_grad(set_to_none=True)
        devices.release(self._device)
        note = f"Memory ran out at step {self.state.step} with {note}."
        _log.warning("%s", note)
        self.state.notes.append(note)
