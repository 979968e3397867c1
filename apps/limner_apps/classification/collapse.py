"""Noticing a training that failed without saying so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limner.plugin import Watch
from limner_apps.classification.batches import TrainingCase
from limner_apps.classification.case_logits import case_logits
from limner_apps.classification.inference import Inference

_CASES = 400
"""Training cases looked at."""
_FEWEST = 3
"""Cases with a class, and without it, that there must be to judge by."""
_GAP = 0.02
"""Difference of the mean probabilities below which a class is not told apart."""


def untold_classes(
    inference: Inference, cases: Sequence[TrainingCase], exclusive: bool, watch: Watch
) -> list[int]:
    """List the classes that training images with and without them are given alike.

    Args:
        inference: The trained network.
        cases: The training cases.
        exclusive: Whether every image has exactly one class.
        watch: Asked between batches.

    Returns:
        Indices of the classes; those with too few cases to judge by are left out.

    Raises:
        Stopped: The watch said so.
    """
    seen = _looked_at(cases)
    logits = case_logits(inference, seen, watch)
    probabilities = (logits.softmax(dim=1) if exclusive else logits.sigmoid()).numpy()
    there = np.stack([case.classes for case in seen]).astype(bool)
    untold = []
    for index in range(there.shape[1]):
        with_it, without = probabilities[there[:, index]], probabilities[~there[:, index]]
        if min(len(with_it), len(without)) < _FEWEST:
            continue
        if with_it[:, index].mean() - without[:, index].mean() < _GAP:
            untold.append(index)
    return untold


def _looked_at(cases: Sequence[TrainingCase]) -> list[TrainingCase]:
    """Choose some cases of every class, the rare ones first."""
    if len(cases) <= _CASES:
        return list(cases)
    there = np.stack([case.classes for case in cases]).astype(bool)
    each = max(_FEWEST, _CASES // (2 * there.shape[1]))
    chosen: set[int] = set()
    for index in range(there.shape[1]):
        for kind in (there[:, index], ~there[:, index]):
            places = np.flatnonzero(kind)
            chosen.update(places[:: max(1, len(places) // each)][:each].tolist())
    return [cases[place] for place in sorted(chosen)]
