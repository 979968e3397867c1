"""The temperatures of a classification, so that a probability means a frequency.

One temperature for exclusive classes (Guo et al. 2017), one a class where an image may have
several. It keeps the likeliest class what it is, so rare classes keep the weight that training gave
them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from limner_apps.learning.temperature import fit_temperature

_HALFWAY = 20
"""Cases by which half of a fitted temperature is believed, on a logarithmic scale: a handful of
cases that are all answered right would make any model certain."""
_FEW = 2.0
"""What a class with a single label adds to the usual temperature: a network that knows a class from
so little is sure of itself all the same."""


def usual_temperatures(labels: npt.NDArray[np.uint8], exclusive: bool) -> tuple[float, ...]:
    """Return what temperatures are as long as no held-out case says better.

    One, and more the fewer labels the rarest class has, or a class and its absence.

    Args:
        labels: (n, classes) of the training cases, 0 and 1.
        exclusive: Whether every image has exactly one class.
    """
    counts = labels.sum(axis=0, dtype=np.int64)
    if exclusive:
        return (1.0 + _FEW / int(counts[counts > 0].min()),)
    rarer = np.minimum(counts, len(labels) - counts)
    return tuple(1.0 + _FEW / max(1, int(each)) for each in rarer)


def fit_temperatures(
    logits: Tensor, truths: Tensor, exclusive: bool, before: Sequence[float]
) -> tuple[float, ...]:
    """Fit temperatures to held-out cases.

    Args:
        logits: (n, classes) float32.
        truths: (n, classes), 0 and 1.
        exclusive: Whether every image has exactly one class.
        before: What to begin from, and to keep where there is nothing to fit to: no case, cases of
            a single class, or a class that all cases have or none has.

    Returns:
        One number for exclusive classes, else one a class.
    """
    if exclusive:
        classes = truths.argmax(dim=1)
        if len(classes) == 0 or classes.min() == classes.max():
            return tuple(before)
        return (_believed(fit_temperature(logits, classes), len(logits), before[0]),)
    fitted = []
    for index, kept in enumerate(before):
        truth = truths[:, index].long()
        if len(truth) == 0 or truth.min() == truth.max():
            fitted.append(kept)
            continue
        column = logits[:, index]
        pair = torch.stack([torch.zeros_like(column), column], dim=1)
        fitted.append(_believed(fit_temperature(pair, truth), len(truth), kept))
    return tuple(fitted)


def _believed(temperature: float, cases: int, before: float) -> float:
    return float(before * (temperature / before) ** (cases / (cases + _HALFWAY)))
