"""How a run of optimiser steps goes: its rate, its seeds, the average of its weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_WARM_UP = 0.1
"""Share of the steps in which the rate rises."""
_LAST_RATE = 0.01
"""Share of the peak that the rate falls to."""
_AVERAGED = 0.05
"""Share of the steps that the average of the weights looks back."""


class Diverged(Exception):
    """The loss is no longer a finite number."""


def one_cycle(step: int, steps: int) -> float:
    """Return the one-cycle schedule's share of the peak rate (Smith and Topin 2018)."""
    warm = max(1.0, _WARM_UP * steps)
    if step < warm:
        return (step + 1) / (warm + 1)
    falling = 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1.0, steps - warm)))
    return _LAST_RATE + (1.0 - _LAST_RATE) * falling


def mixed_seed(seed: int, step: int) -> int:
    """Make a seed of a seed and a step."""
    return (seed * 1_000_003 + step * 7_919) & 0x7FFF_FFFF_FFFF_FFFF


@torch.no_grad()
def average_in(average: dict[str, Tensor], state: dict[str, Tensor], step: int, steps: int) -> None:
    """Move a running average of weights towards a network's state after a step.

    The first averages look back less far, or they would remember the random start.
    """
    decay = min(1.0 - 1.0 / max(2.0, _AVERAGED * steps), (1 + step) / (10 + step))
    for name, value in state.items():
        if value.is_floating_point():
            average[name].lerp_(value, 1.0 - decay)
        else:
            average[name].copy_(value)
