"""Noticing a training that failed without saying so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from limner.plugin import Stopped, Watch
from limner_apps.segmentation.batches import TrainingCase
from limner_apps.segmentation.inference import Inference

_CASES = 3
"""Cases looked at for each class."""


def missing_classes(
    inference: Inference, cases: Sequence[TrainingCase], classes: int, watch: Watch
) -> list[int]:
    """List the classes that are in the labels and never predicted on the cases richest in them.

    Args:
        inference: The trained network.
        cases: The training cases.
        classes: Classes, background left out.
        watch: Asked between cases.

    Raises:
        Stopped: The watch said so.
    """
    seen: dict[int, set[int]] = {}
    missing = []
    for index in range(1, classes + 1):
        sizes = [int((case.labels == index).sum()) for case in cases]
        richest = sorted(range(len(cases)), key=lambda each: -sizes[each])[:_CASES]
        richest = [each for each in richest if sizes[each] > 0]
        for each in richest:
            if watch.should_stop():
                raise Stopped("The training was told to stop while its result was checked.")
            if each not in seen:
                seen[each] = _predicted(inference, cases[each])
            if index in seen[each]:
                break
        else:
            if richest:
                missing.append(index)
    return missing


def _predicted(inference: Inference, case: TrainingCase) -> set[int]:
    found: set[int] = set()

    def visit(axis: int, first: int, last: int, logits: torch.Tensor) -> None:
        found.update(np.unique(logits.argmax(dim=0).numpy()).tolist())

    inference.run(case.image, case.labels.shape, visit)
    return found
