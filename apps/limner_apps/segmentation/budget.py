"""How long a training takes: a number of steps known before it starts."""

from __future__ import annotations

import math

from limner_apps.segmentation.options import Options
from limner_apps.segmentation.plan import Plan

_START = 225
"""Views of an image that any training needs, however few the labels."""
_A_LABEL = 15
"""Further views for each label."""
_MOST_LABELS = 160
"""Labels beyond these add variety, not time."""
_MOST_SLICES = 48
"""Slices of a volume that count as one view; more are much alike."""
_FEWEST_STEPS = 80
_ACCELERATED = 4.0
"""An accelerator has time for more."""


def plan_steps(plan: Plan, labels: int, options: Options, effort: float, device: str) -> int:
    """Return the optimiser steps of a training.

    A training sees `_START + _A_LABEL · labels` views of an image, labels counted up to
    `_MOST_LABELS`. A view is as many voxels as the median image or the patch has, whichever is
    less, so small images make short trainings. The option `steps` sets the number instead;
    `effort` scales either.

    Args:
        plan: What a step sees.
        labels: Labels to learn from.
        options: The project's.
        effort: Fraction of the usual number of steps.
        device: `cpu`, `cuda` or `mps`.
    """
    if options.steps:
        return max(1, round(options.steps * effort))
    views = _START + _A_LABEL * min(labels, _MOST_LABELS)
    patch = math.prod(plan.patch[axis] for axis in plan.plane)
    depth = 1 if plan.cut is None else min(plan.median_shape[plan.cut], _MOST_SLICES)
    steps = views * depth / plan.batch
    # A view is at most one image: a patch larger than a small image is mostly padding.
    inside = math.prod(plan.median_shape[axis] for axis in plan.plane)
    steps *= min(1.0, inside / patch)
    if device == "cuda":
        steps *= _ACCELERATED
    return max(_FEWEST_STEPS, round(steps * effort))
