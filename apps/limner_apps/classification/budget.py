"""How long a training takes: a number of steps known before it starts."""

from __future__ import annotations

from limner_apps.classification.options import Options
from limner_apps.classification.plan import Plan

_START = 4_000
"""Views of an image that any training needs, however few the labels."""
_A_LABEL = 40
"""Further views for each label."""
_MOST_VIEWS = 140_000
"""Labels beyond these add variety, not time."""
_FEWEST_STEPS = 60
_A_STEP = 32
"""Images that a step counts for at least: steps of few large images take as long as others."""
_ACCELERATED = 2.0
"""An accelerator has time for more."""


def plan_steps(plan: Plan, labels: int, options: Options, effort: float, device: str) -> int:
    """Return the optimiser steps of a training.

    A training sees `_START + _A_LABEL · labels` images, at most `_MOST_VIEWS`, fewer where a step
    has fewer than `_A_STEP`. The option `steps` sets the number instead; `effort` scales either.

    Args:
        plan: What a step sees.
        labels: Labels to learn from.
        options: The project's.
        effort: Fraction of the usual number of steps.
        device: `cpu`, `cuda` or `mps`.
    """
    if options.steps:
        return max(1, round(options.steps * effort))
    views: float = min(_START + _A_LABEL * labels, _MOST_VIEWS)
    if device == "cuda":
        views *= _ACCELERATED
    return max(_FEWEST_STEPS, round(views / max(plan.batch, _A_STEP) * effort))
