"""How long a training takes: a number of steps known before it starts."""

from __future__ import annotations

from limner_apps.instances.options import Options
from limner_apps.instances.plan import Plan

_START = 600
"""Crops that any training needs, however few the labels."""
_A_LABEL = 60
"""Further crops for each label."""
_MOST_LABELS = 300
"""Labels beyond these add variety, not time."""
_FEWEST_STEPS = 80
_ACCELERATED = 4.0
"""An accelerator has time for more."""


def plan_steps(plan: Plan, labels: int, options: Options, effort: float, device: str) -> int:
    """Return the optimiser steps of a training.

    A training sees `_START + _A_LABEL · labels` crops, labels counted up to `_MOST_LABELS`. The
    option `steps` sets the number of steps instead; `effort` scales either.

    Args:
        plan: What a step sees.
        labels: Labels to learn from.
        options: The project's.
        effort: Fraction of the usual number of steps.
        device: `cpu`, `cuda` or `mps`.
    """
    if options.steps:
        return max(1, round(options.steps * effort))
    steps = (_START + _A_LABEL * min(labels, _MOST_LABELS)) / plan.batch
    if device == "cuda":
        steps *= _ACCELERATED
    return max(_FEWEST_STEPS, round(steps * effort))
