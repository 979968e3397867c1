"""The temperatures of a classification, so that a probability means a frequency.

One temperature for exclusive classes (Guo et al. 2017), one a class where an image may have
several. It keeps the likeliest class what it is, so rare classes keep the weight that training gave
them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from limner_apps.learning.temperature import fit_temperature

_HALFWAY = 20
"""Cases by which half of a fitted temperature is believed, on a logarithmic scale: a handful of
cases that are all answered right would make any model certain."""


def fit_temperatures(
    logits: Tensor, truths: Tensor, exclusive: bool, before: Sequence[float]
) -> tuple[float, ...]:
    """Fit temperatures to held-out cases.

    Args:
        logits: (n, classes) float32.
        truths: (n, classes), 0 and 1.
        exclusive: Whether every image has exactly one class.
        before: What to keep where there is nothing to fit to: no case, a single class, or a class
            that all cases have or none has.

    Returns:
        One number for exclusive classes, else one a class.
    """
    if exclusive:
        if len(logits) == 0 or logits.shape[1] == 1:
            return tuple(before)
        return (_believed(fit_temperature(logits, truths.argmax(dim=1)), len(logits)),)
    fitted = []
    for index, kept in enumerate(before):
        truth = truths[:, index].long()
        if len(truth) == 0 or truth.min() == truth.max():
            fitted.append(kept)
            continue
        column = logits[:, index]
        pair = torch.stack([torch.zeros_like(column), column], dim=1)
        fitted.append(_believed(fit_temperature(pair, truth), len(truth)))
    return tuple(fitted)


def _believed(temperature: float, cases: int) -> float:
    return float(temperature ** (cases / (cases + _HALFWAY)))
