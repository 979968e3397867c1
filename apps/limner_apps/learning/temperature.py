"""One temperature for all logits, so that a probability means a frequency.

Guo et al. 2017 (arXiv 1706.04599): divide the logits by the temperature that makes held-out labels
likeliest.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch.nn import functional

_RANGE = (0.25, 8.0)
_ROUNDS = 40


def fit_temperature(logits: Tensor, truths: Tensor) -> float:
    """Return the temperature of the smallest negative log-likelihood.

    The likelihood has one peak in the inverse temperature, so a golden section finds it.

    Args:
        logits: (n, K) float32.
        truths: (n,) int64.
    """

    def likelihood(log_temperature: float) -> float:
        return float(functional.cross_entropy(logits / float(np.exp(log_temperature)), truths))

    golden = (np.sqrt(5.0) - 1.0) / 2.0
    low, high = np.log(_RANGE[0]), np.log(_RANGE[1])
    for _ in range(_ROUNDS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if likelihood(left) <= likelihood(right):
            high = right
        else:
            low = left
    return float(np.exp(0.5 * (low + high)))
