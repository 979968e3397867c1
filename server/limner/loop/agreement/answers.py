"""How alike two answers of one image are, by the measure of their task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limner.images.class_labels import chosen
from limner.loop.agreement.dice import dice_by_class
from limner.loop.agreement.panoptic_quality import quality_by_class
from limner.plugin import Answer, ClassScores, Instances, LabelSchema, Mask, Task

MEASURES = {Task.SEGMENTATION: "dice", Task.INSTANCES: "pq", Task.CLASSIFICATION: "same"}
"""What the agreement of two answers is called: mean Dice or panoptic quality over the classes in
either, or 1 where both name the same classes and 0 where they do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How alike two answers of one image are."""

    value: float
    """From 0 to 1; 1 where neither has anything in it."""
    by_class: dict[int, float]
    """The same of each class that is in either, by its value; empty for classes of images."""


def agreement(
    first: Answer, second: Answer, first_schema: LabelSchema, second_schema: LabelSchema
) -> Agreement:
    """Compare two answers of one image; which is which makes no difference.

    Args:
        first: What one says: a label or a prediction.
        second: What the other says, an answer of the same task.
        first_schema: The classes that the first knows.
        second_schema: The classes that the second knows: a project may gain some.

    Raises:
        ValueError: They are answers of different tasks, or masks of different shapes.
    """
    if isinstance(first, ClassScores) and isinstance(second, ClassScores):
        same = set(chosen(first, first_schema)) == set(chosen(second, second_schema))
        return Agreement(value=float(same), by_class={})
    if isinstance(first, Instances) and isinstance(second, Instances):
        by_class = quality_by_class(first, second)
    elif isinstance(first, Mask) and isinstance(second, Mask):
        by_class = dice_by_class(first.array, second.array)
    else:
        raise ValueError(f"{type(first).__name__} cannot be compared with {type(second).__name__}.")
    value = float(np.mean(list(by_class.values()))) if by_class else 1.0
    return Agreement(value=value, by_class=by_class)
