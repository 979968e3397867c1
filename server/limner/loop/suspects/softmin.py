"""Softmin: a mean that listens to the worst, so that a small error is not lost in a large image."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

TEMPERATURE = 0.1
"""As in the paper: near the minimum, yet a single odd pixel does not decide."""

_CHUNK = 1 << 20
"""Scores that are weighed in one go: bounds the temporary memory."""


def softmin(scores: npt.NDArray[Any], temperature: float = TEMPERATURE) -> float:
    """Return Σ s·w / Σ w with w = exp((1 - s) / temperature); 1 where there is no score.

    Lad and Mueller, "Estimating label quality and errors in semantic segmentation data via any
    model", 2023, arXiv:2307.05080.

    Args:
        scores: Of any shape, in [0, 1].
        temperature: Above 0; smaller is nearer to the minimum.

    Example:
        >>> round(softmin(np.array([1.0, 1.0, 0.0])), 4)
        0.0001
    """
    flat = scores.reshape(-1)
    if not len(flat):
        return 1.0
    total = weighted = 0.0
    for start in range(0, len(flat), _CHUNK):
        chunk = flat[start : start + _CHUNK].astype(np.float64)
        # The largest exponent is 1 / temperature: no overflow at any sensible temperature.
        weights = np.exp((1 - chunk) / temperature)
        total += float(weights.sum())
        weighted += float((weights * chunk).sum())
    return weighted / total
