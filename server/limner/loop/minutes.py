"""How long labelling takes: a regression on the seconds that annotators have spent.

`ln T = a + b x + u`, with `x` the logarithms of an image's size, of the size of its foreground and
of each class as the model sees them, and `u` what each annotator is slower or faster by (after Kuo
et al. 2018, Cost-sensitive active learning for intracranial hemorrhage detection, who regress the
logarithm of the time on the size of what is drawn). Least squares with a ridge penalty on `b` and
`u`; of a few penalties the one with the smallest leave-one-out error is taken, so that what does
not tell the time apart is shrunk away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray

LEAST = 20
"""With fewer labels of known time nothing is predicted."""

MOST_CLASSES = 8
"""Classes above this have no feature of their own."""

_LEAST_OF_AUTHOR = 5
"""With fewer labels an annotator counts as one like the others."""
_PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
_SHORTEST_S = 1.0
_OUTLYING = 3.5
"""Farther from the median than so many deviations is an interruption, or a slip of the finger."""
_LEAST_SPREAD = 0.1
_OF_NORMAL = 1.4826
"""Turns the median absolute deviation into the deviation of a normal distribution."""

_Doubles = npt.NDArray[np.float64]


def features(
    fractions: npt.NDArray[np.floating], pixels: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Return what tells how long an image takes, NaN where it is not described.

    Args:
        fractions: (n, 1 + classes), as `Description.class_fractions`.
        pixels: (n,), pixels or voxels of each image.

    Returns:
        (n, 2 + classes), fewer where there is one class, or very many.
    """
    covered = fractions[:, 1 : 1 + MOST_CLASSES] * pixels[:, None]
    foreground = (1 - fractions[:, :1]).clip(0, 1) * pixels[:, None]
    each = covered if fractions.shape[1] > 2 else covered[:, :0]
    return np.hstack([np.log(pixels)[:, None], np.log1p(foreground), np.log1p(each)])


@dataclass(frozen=True, slots=True, eq=False)
class Pace:
    """How long labelling takes, as fitted."""

    middle: _Doubles
    scale: _Doubles
    weights: _Doubles
    intercept: float
    smear: float
    """What the mean of the time is above the exponential of the mean logarithm."""
    shortest: float
    longest: float
    """Logarithms of the shortest and the longest time that was seen: no prediction is beyond."""

    def minutes(self, known: npt.NDArray[np.floating]) -> FloatArray:
        """Predict the minutes of images, for annotators such as those who labelled.

        Args:
            known: (n, f), as `features`.

        Returns:
            (n,), NaN where a feature is.
        """
        logs = self.intercept + ((known - self.middle) * self.scale) @ self.weights
        seconds = np.exp(np.clip(logs, self.shortest, self.longest)) * self.smear
        return (seconds / 60).astype(np.float32)


def fitted(
    known: npt.NDArray[np.floating],
    seconds: npt.NDArray[np.floating],
    authors: Sequence[str],
) -> Pace | None:
    """Fit the pace of a project's annotators.

    Args:
        known: (m, f), as `features`, of labelled images; rows with NaN are left out.
        seconds: (m,), what each label took.
        authors: (m,), who drew it.

    Returns:
        None where fewer than 20 labels are left. Takes O(m (f + authors)²).
    """
    usable = np.isfinite(known).all(axis=1) & np.isfinite(seconds) & (seconds > 0)
    logs = np.log(np.maximum(np.where(usable, seconds, 1.0), _SHORTEST_S))
    usable &= _is_usual(logs, usable)
    if usable.sum() < LEAST:
        return None
    rows, logs = known[usable].astype(np.float64), logs[usable]
    middle, spread = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(spread > 1e-9, 1 / np.maximum(spread, 1e-9), 0.0)
    people = _people([who for who, is_in in zip(authors, usable, strict=True) if is_in])
    design = np.hstack([(rows - middle) * scale, people])
    shift = design.mean(axis=0)
    weights, fit = _ridge(design - shift, logs)
    drawn = weights[: rows.shape[1]]
    smear = float(np.exp(logs - fit).mean())  # Duan 1983
    low, high = float(logs.min()), float(logs.max())
    return Pace(middle, scale, drawn, float(logs.mean()), smear, low, high)


def _is_usual(logs: _Doubles, usable: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Tell which times lie within some median absolute deviations of the median."""
    if not usable.any():
        return usable
    apart = np.abs(logs - np.median(logs[usable]))
    spread = max(_OF_NORMAL * float(np.median(apart[usable])), _LEAST_SPREAD)
    return apart <= _OUTLYING * spread


def _people(authors: Sequence[str]) -> _Doubles:
    """Return a column for each annotator with enough labels, none for one alone: (m, people)."""
    often = sorted(who for who, count in Counter(authors).items() if count >= _LEAST_OF_AUTHOR)
    if len(often) < 2:
        return np.zeros((len(authors), 0))
    return np.array([[float(who == author) for who in often] for author in authors])


def _ridge(design: _Doubles, logs: _Doubles) -> tuple[_Doubles, _Doubles]:
    """Return the weights of the penalty with the least leave-one-out error, and the fit: (m,)."""
    apart = logs - logs.mean()
    square = design.T @ design
    best = (np.inf, np.zeros(design.shape[1]), np.full(len(logs), logs.mean()))
    for penalty in _PENALTIES:
        solved = np.linalg.solve(square + penalty * np.eye(len(square)), design.T)
        weights = solved @ apart
        leverage = np.einsum("mp,pm->m", design, solved) + 1 / len(logs)
        fit = design @ weights
        error = float((((apart - fit) / (1 - leverage).clip(1e-6)) ** 2).mean())
        if error < best[0]:
            best = (error, weights, fit + logs.mean())
    return best[1], best[2]
