"""Learning curves as numbers: their area, the labels to a target, and intervals over seeds.

Pure functions of numpy arrays. Scores are (seeds, rounds), higher is better; a *draw* is a resample
of the seeds with replacement, the same for every strategy, since a seed's strategies are paired
(Efron & Tibshirani 1993, An Introduction to the Bootstrap, ch. 8 and 13).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]

RESAMPLES = 10_000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with the bounds of its confidence interval; None for what is not known."""

    mean: float | None
    low: float | None
    high: float | None

    def as_json(self) -> dict[str, float | None]:
        """Return plain values."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


def area_under(budgets: npt.ArrayLike, scores: npt.ArrayLike, *, log: bool = False) -> Floats:
    """Return the area under budget curves (AUBC): their mean height, by the trapezoid rule.

    A constant curve has the area of its constant. Of a single round it is that round's score.

    Args:
        budgets: (rounds,), rising, above 0 where `log` is set.
        scores: (..., rounds).
        log: Along the logarithm of the budget, for budgets that span more than tenfold.
    """
    x = np.log(np.asarray(budgets, float)) if log else np.asarray(budgets, float)
    y = np.asarray(scores, float)
    if len(x) < 2:
        return np.asarray(y[..., 0])
    widths = np.diff(x)
    heights = (y[..., 1:] + y[..., :-1]) / 2
    return np.asarray((heights * widths).sum(axis=-1) / widths.sum())


def isotonic(scores: npt.ArrayLike) -> Floats:
    """Return the non-decreasing curves that are nearest to given ones, in least squares.

    By the max-min formula (Robertson, Wright & Dykstra 1988, Order Restricted Statistical
    Inference, section 1.4), all curves at once: at k, the largest over i ≤ k of the smallest over
    j ≥ k of the mean of rounds i to j.

    Args:
        scores: (..., rounds).
    """
    y = np.asarray(scores, float)
    rounds = y.shape[-1]
    sums = np.concatenate([np.zeros((*y.shape[:-1], 1)), np.cumsum(y, axis=-1)], axis=-1)
    fitted = np.full(y.shape, -np.inf)
    for start in range(rounds):
        lengths = np.arange(1, rounds - start + 1)
        means = (sums[..., start + 1 :] - sums[..., start : start + 1]) / lengths
        least = np.minimum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
        fitted[..., start:] = np.maximum(fitted[..., start:], least)
    return fitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossings:
    """Where curves reach a target, for many curves at once; arrays of one shape."""

    budget: Floats
    """The budget at which it is reached; the first one where it was reached before, the last one
    where it never is."""
    before: npt.NDArray[np.bool_]
    """It was reached at the first budget or before: at most `budget` are needed."""
    never: npt.NDArray[np.bool_]
    """It is not reached within the last budget: more than `budget` are needed."""


def crossings(budgets: npt.ArrayLike, rising: npt.ArrayLike, target: float) -> Crossings:
    """Find where non-decreasing curves reach a target, interpolating in the log of the budget.

    Args:
        budgets: (rounds,) or (..., rounds), rising and above 0.
        rising: (..., rounds), non-decreasing: what `isotonic` gives.
        target: The height.
    """
    y = np.asarray(rising, float)
    x = np.broadcast_to(np.log(np.asarray(budgets, float)), y.shape)
    is_there = y >= target
    first = is_there.argmax(axis=-1)[..., None]
    never, before = ~is_there[..., -1], is_there[..., 0]
    previous = np.maximum(first - 1, 0)

    def at(values: Floats, places: npt.NDArray[np.intp]) -> Floats:
        return np.take_along_axis(values, places, axis=-1)[..., 0]

    rise = at(y, first) - at(y, previous)
    part = np.where(rise > 0, (target - at(y, previous)) / np.where(rise > 0, rise, 1), 1.0)
    reached = at(x, previous) + part * (at(x, first) - at(x, previous))
    reached = np.where(never, x[..., -1], np.where(before, x[..., 0], reached))
    return Crossings(budget=np.exp(reached), before=before, never=never)


def seed_draws(seeds: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Draw seeds with replacement: how much each counts in each resample, (resamples, seeds)."""
    drawn = np.random.default_rng(seed).integers(seeds, size=(resamples, seeds))
    weights = np.zeros((resamples, seeds))
    np.add.at(weights, (np.arange(resamples)[:, None], drawn), 1.0 / seeds)
    return weights


def interval(values: npt.ArrayLike, draws: Floats) -> Interval:
    """Return the mean of one value a seed with its percentile bootstrap interval.

    Args:
        values: (seeds,).
        draws: What `seed_draws` gave.
    """
    given = np.asarray(values, float)
    low, high = bounds(draws @ given)
    return Interval(mean=float(given.mean()), low=low, high=high)


def bounds(resampled: npt.ArrayLike) -> tuple[float, float]:
    """Return the percentile bounds of resampled estimates."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.asarray(resampled, float), [tail, 1 - tail])
    return float(low), float(high)


def two_level_interval(differences: npt.ArrayLike, *, seed: int = 0) -> Interval:
    """Return the interval of a mean over seeds and test cases, both of them drawn anew.

    Args:
        differences: (seeds, cases).
        seed: Of the resampling.
    """
    given = np.asarray(differences, float)
    seeds, cases = given.shape
    of_seeds = seed_draws(seeds, resamples=2000, seed=seed)
    of_cases = seed_draws(cases, resamples=2000, seed=seed + 1)
    low, high = bounds(np.einsum("rs,sc,rc->r", of_seeds, given, of_cases))
    return Interval(mean=float(given.mean()), low=low, high=high)


def reached_json(found: Crossings) -> dict[str, Any]:
    """Return where a single curve reaches a target: an estimate, or what is known of it.

    Example:
        >>> reached_json(crossings([10, 20], [0.5, 0.6], 0.7))
        {'estimate': None, 'censored': '> 20'}
    """
    budget = float(found.budget)
    if found.never:
        return {"estimate": None, "censored": f"> {shown(budget)}"}
    if found.before:
        return {"estimate": None, "censored": f"<= {shown(budget)}"}
    return {"estimate": budget}


def ratio_json(
    mine: tuple[Crossings, Crossings], theirs: tuple[Crossings, Crossings]
) -> dict[str, Any]:
    """Return how many times fewer labels one curve needs than another.

    A resample in which a target is not reached says of the ratio only from where or to where it
    is: such a bound is used for the side of the interval that it speaks for, and nothing for the
    other, which is None then.

    Args:
        mine: Of the curve itself and of its resamples.
        theirs: The same of the opponent.
    """
    (own, own_draws), (other, other_draws) = mine, theirs
    ratio = float(other.budget) / float(own.budget)
    answer: dict[str, Any] = {"estimate": None if own.never or other.never else ratio}
    if bool(own.before) or bool(other.before):
        answer["estimate"] = None
    if answer["estimate"] is None:
        answer["censored"] = _ratio_words(own, other, ratio)
    ratios = other_draws.budget / own_draws.budget
    lows = np.where(own_draws.never, 0.0, ratios)
    highs = np.where(other_draws.never, np.inf, ratios)
    tail = (1 - CONFIDENCE) / 2
    # No interpolation: between a number and infinity there is nothing.
    low = float(np.quantile(lows, tail, method="lower"))
    high = float(np.quantile(highs, 1 - tail, method="higher"))
    answer["low"] = low if low > 0 else None
    answer["high"] = high if math.isfinite(high) else None
    return answer


def _ratio_words(own: Crossings, other: Crossings, ratio: float) -> str:
    at_least = bool(other.never) or bool(own.before)
    at_most = bool(own.never) or bool(other.before)
    if at_least and at_most:
        return "unknown"
    return f"{'>' if at_least else '<'} {ratio:.2f}"


def shown(number: float) -> str:
    """Return a number in as few digits as it needs.

    Example:
        >>> shown(100.0), shown(12.34)
        ('100', '12.3')
    """
    return f"{number:.0f}" if math.isclose(number, round(number)) else f"{number:.1f}"
