"""Noticing a training that failed without saying so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from limner_apps.instances.crops import TrainingCase
from limner_apps.instances.inference import Inference

_CASES = 3
"""Cases looked at for each class."""


def missing_classes(
    inference: Inference,
    cases: Sequence[TrainingCase],
    classes: int,
    least: float,
    pause: Callable[[], None],
) -> list[int]:
    """List the classes that are in the labels and never found on the cases richest in them.

    Args:
        inference: The trained network.
        cases: The training cases.
        classes: Classes, background left out.
        least: Least score of an object that counts as found.
        pause: Called before every tile; what it raises goes to the caller.
    """
    seen: dict[int, set[int]] = {}
    missing = []
    for index in range(1, classes + 1):
        counts = [int((case.target.classes == index).sum()) for case in cases]
        richest = sorted(range(len(cases)), key=lambda each: -counts[each])[:_CASES]
        richest = [each for each in richest if counts[each] > 0]
        for each in richest:
            if each not in seen:
                found = inference.run(cases[each].image, cases[each].shape, pause=pause)
                detections = found.detections[0]
                sure = detections.classes[detections.scores >= least]
                seen[each] = set(np.unique(sure).tolist())
            if index in seen[each]:
                break
        else:
            if richest:
                missing.append(index)
    return missing
