"""Figures of probabilities against labels. Numpy only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

_FLOOR = 0.001
"""Smaller probabilities of the truth score no worse: one case must not decide a mean."""
_MOST_BINS = 15
_A_BIN = 10
"""Cases that a bin has on average, or a bin's accuracy would be chance."""


def log_score(probability: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return `1 + ln(max(p, 0.001)) / ln 1000` of the true answer's probability, in [0, 1].

    One less the log-loss, clipped and scaled: a comparison of means of this is one of clipped
    log-losses.
    """
    p = np.clip(np.asarray(probability, dtype=np.float64), _FLOOR, 1.0)
    return np.clip(1.0 + np.log(p) / math.log(1.0 / _FLOOR), 0.0, 1.0)


def auroc(scores: npt.NDArray[Any], truths: npt.NDArray[Any]) -> float | None:
    """Return the area under the ROC curve; None unless there are cases of both kinds.

    It is the share of pairs of a positive and a negative case that are in the right order, ties
    counting half (Mann and Whitney 1947).

    Args:
        scores: (n,), larger for the positive cases.
        truths: (n,), true for the positive cases.
    """
    positive = np.asarray(truths, dtype=bool)
    count, others = int(positive.sum()), int((~positive).sum())
    if count == 0 or others == 0:
        return None
    _, places, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    # The mean of the ranks that equal scores share, counted from one.
    ranks = (last - (sizes - 1) / 2.0)[places]
    above = float(ranks[positive].sum()) - count * (count + 1) / 2.0
    return above / (count * others)


def calibration_error(confidence: npt.NDArray[Any], correct: npt.NDArray[Any]) -> float:
    """Return the expected calibration error (Guo et al. 2017), in at most 15 equal bins.

    Few cases make fewer bins, of ten cases on average.

    Args:
        confidence: (n,) probabilities of what was answered.
        correct: (n,) whether it was right.
    """
    count = len(confidence)
    bins = max(1, min(_MOST_BINS, count // _A_BIN))
    places = np.minimum((np.asarray(confidence) * bins).astype(np.int64), bins - 1)
    gaps = np.asarray(correct, dtype=np.float64) - np.asarray(confidence, dtype=np.float64)
    sums = np.bincount(places, weights=gaps, minlength=bins)
    return float(np.abs(sums).sum() / max(1, count))


def share(hits: npt.NDArray[Any], of: npt.NDArray[Any]) -> float | None:
    """Return which share of some cases are hits; None when there is no case.

    Args:
        hits: (n,) bool.
        of: (n,) bool, the cases that count.
    """
    total = int(np.asarray(of, dtype=bool).sum())
    return float((np.asarray(hits) & np.asarray(of)).sum() / total) if total else None
