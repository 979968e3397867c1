"""What more labels will bring: an exponential curve through the versions' scores.

`y(n) = c - a exp(-b (n - n0))` with `a >= 0` and `b > 0` is fitted by least squares: `b` from a
fine grid, `a` and `c` exactly. The intervals are of 80 %, by a bootstrap of the residuals (Efron
and Tibshirani 1993, An Introduction to the Bootstrap, ch. 9). Of the models of learning curves it
is the simplest that comes to an end, which is what a forecast is asked for (Viering and Loog 2023,
The shape of learning curves). A forecast never stops anything: people decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from limner.records.learning_curve import CurvePoint

LEAST_POINTS = 4
"""Fewer measured versions tell nothing: the curve has three parameters."""
MOST_POINTS = 60
"""The newest versions that count; older ones say little of the next batch."""
FLAT = 0.005
"""A next batch that brings less than this, at best, is not worth waiting for."""

_DRAWS = 300
_LOW, _HIGH = 0.1, 0.9
_RATES = np.geomspace(0.1, 30.0, 128)
"""Of `b`, in units of one over the span of the labels that were seen. Its steps of 5 % do not show
in the intervals; steps of 20 % do."""

_Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its 80 % interval; an end that is not in sight is None."""

    estimate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What more labels will bring."""

    reason: str
    """Why nothing can be said yet; empty where something is."""
    versions: int = 0
    """How many measured versions it stands on."""
    measure: str | None = None
    batch: int = 0
    """The labels that `gain` is of."""
    score: Estimate | None = None
    """What the curve says of a version of all labels so far."""
    gain: Estimate | None = None
    """What the next batch adds to it."""
    plateau: Estimate | None = None
    """What no number of labels exceeds."""
    is_flat: bool = False
    """Whether the next batch brings less than 0.005 even at the interval's upper end."""
    target: float | None = None
    is_reached: bool = False
    """Whether the lower end of `score` is at the target."""
    labels_to_target: Estimate | None = None
    """How many more labels it takes; None in it where the target is never reached."""


@dataclass(frozen=True, slots=True)
class _Curves:
    """Fitted curves; all arrays are (draws,)."""

    ends: _Doubles
    heights: _Doubles
    rates: _Doubles
    start: float

    def at(self, labels: float) -> _Doubles:
        values: _Doubles = self.ends - self.heights * np.exp(-self.rates * (labels - self.start))
        return values

    def labels_to(self, target: float) -> _Doubles:
        """Return where each comes to a target, infinite where it does not."""
        gap = self.ends - target
        with np.errstate(divide="ignore", invalid="ignore"):
            ahead = np.log(self.heights / gap) / self.rates
        ahead = np.where(self.heights > gap, ahead, 0.0)
        return np.where(gap > 0, self.start + ahead, np.inf)


def forecast(
    curve: Sequence[CurvePoint], batch: int, target: float | None = None, seed: int = 0
) -> Forecast:
    """Say what the next batch will bring, and how many labels are left to a target.

    Args:
        curve: Versions, oldest first. Those count that were measured like the newest measured one:
            by the same measure and method.
        batch: How many labels the next batch has, at least 1.
        target: A score that is enough, if one was named.
        seed: Decides the draws.

    Returns:
        With `reason` alone where fewer than 4 versions were measured, or all on as many labels.
    """
    points = _alike(curve)
    counts = np.array([each.label_count for each in points], np.float64)
    if len(points) < LEAST_POINTS:
        reason = f"{LEAST_POINTS} versions measured alike are needed, {len(points)} are there"
        return Forecast(reason=reason, versions=len(points), target=target)
    if counts.max() == counts.min():
        reason = f"all versions learnt from {points[-1].label_count} labels"
        return Forecast(reason=reason, versions=len(points), target=target)
    now = float(counts.max())
    measured = tuple((each.label_count, each.score or 0.0) for each in points)
    fit, drawn = _drawn_again(measured, seed)
    score = _estimate(fit.at(now), drawn.at(now))
    gain = _estimate(fit.at(now + batch) - fit.at(now), drawn.at(now + batch) - drawn.at(now))
    left = None
    if target is not None:
        ahead = (np.maximum(each.labels_to(target) - now, 0.0) for each in (fit, drawn))
        left = _estimate(*ahead)
    return Forecast(
        reason="",
        versions=len(points),
        measure=points[-1].measure,
        batch=batch,
        score=score,
        gain=gain,
        plateau=_estimate(fit.ends, drawn.ends),
        is_flat=gain.high is not None and gain.high < FLAT,
        target=target,
        is_reached=target is not None and score.low is not None and score.low >= target,
        labels_to_target=left,
    )


def _alike(curve: Sequence[CurvePoint]) -> list[CurvePoint]:
    measured = [each for each in curve if each.score is not None and np.isfinite(each.score)]
    alike = [
        each
        for each in measured
        if (each.measure, each.method) == (measured[-1].measure, measured[-1].method)
    ]
    return alike[-MOST_POINTS:]


# Clients poll progress, and a curve changes once a training.
@lru_cache(maxsize=64)
def _drawn_again(measured: tuple[tuple[int, float], ...], seed: int) -> tuple[_Curves, _Curves]:
    """Fit the scores of (labels, score), and scores that could have been measured instead."""
    counts, scores = np.array(measured, np.float64).T
    # Scores that are shares have 1 as their limit; a loss turned round may have any.
    limit = 1.0 if scores.max() <= 1 else np.inf
    fit = _fitted(counts, scores[None], limit)
    expected = np.array([fit.at(float(each))[0] for each in counts])
    # Residuals are smaller than the errors, by what three parameters take up.
    residuals = (scores - expected) * np.sqrt(len(counts) / (len(counts) - 3))
    random = np.random.default_rng(seed)
    which = random.integers(len(counts), size=(_DRAWS, len(counts)))
    return fit, _fitted(counts, expected + residuals[which], limit)


def _fitted(counts: _Doubles, scores: _Doubles, limit: float) -> _Curves:
    """Fit a curve to each row of scores: (draws, points)."""
    start, span = float(counts.min()), float(counts.max() - counts.min())
    best = np.full(len(scores), np.inf)
    ends, heights, rates = (np.zeros(len(scores)) for _ in range(3))
    for rate in _RATES / span:
        falling = np.exp(-rate * (counts - start))
        apart = falling - falling.mean()
        height = np.maximum(-(scores @ apart) / (apart @ apart), 0.0)
        end = scores.mean(axis=1) + height * falling.mean()
        # At the limit only the height is free.
        held = np.maximum((limit - scores) @ falling / (falling @ falling), 0.0)
        is_beyond = end > limit
        height, end = np.where(is_beyond, held, height), np.minimum(end, limit)
        error = ((scores - end[:, None] + height[:, None] * falling) ** 2).sum(axis=1)
        is_better = error < best
        best = np.where(is_better, error, best)
        ends, heights = np.where(is_better, end, ends), np.where(is_better, height, heights)
        rates = np.where(is_better, rate, rates)
    return _Curves(ends, heights, rates, start)


def _estimate(fit: _Doubles, drawn: _Doubles) -> Estimate:
    low, high = np.quantile(drawn, (_LOW, _HIGH), method="inverted_cdf")
    return Estimate(estimate=_told(fit[0]), low=_told(low), high=_told(high))


def _told(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
