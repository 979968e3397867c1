"""What a comparison says in numbers: the content of `results.json`."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from limner.simulate.comparison import holm, wilcoxon
from limner.simulate.conclusion import conclusion, notes_on
from limner.simulate.costs import MODEL
from limner.simulate.curves import (
    Crossings,
    Floats,
    area_under,
    bounds,
    crossings,
    interval,
    isotonic,
    ratio_json,
    reached_json,
    seed_draws,
    two_level_interval,
)
from limner.simulate.design import Kept
from limner.simulate.headline import headline
from limner.simulate.mistakes import WORDS
from limner.simulate.outcomes import Outcome, Outcomes
from limner.simulate.split import Split

FILE = "results.json"

TARGETS = (90, 95, 98)
"""Shares of the full score in percent whose labels are counted."""

_WIDE = 10
"""Budgets that span more than this factor are looked at along their logarithm, too."""


def results_of(kept: Kept, split: Split, outcomes: Outcomes) -> dict[str, Any]:
    """Work out everything that a comparison says, as plain values.

    Args:
        kept: The design, and what was dropped of it.
        split: The test set and the pool.
        outcomes: What the arms brought.
    """
    design = kept.fitted
    opponent = opponent_of(outcomes)
    draws = seed_draws(len(outcomes.seeds))
    full, trivial = _mean(outcomes.full), _mean(outcomes.trivial)
    budgets = np.array(design.budgets, float)
    results: dict[str, Any] = {
        "limner": importlib.metadata.version("limner"),
        "design": design.as_json(),
        "dropped": list(kept.dropped),
        "left_out": list(outcomes.left_out),
        "measure": {"name": outcomes.measure.name, "title": outcomes.measure.title},
        "worst_case_measure": outcomes.worst_title,
        "cost_model": MODEL[design.kind],
        "seeds": list(outcomes.seeds),
        "labels": design.budgets,
        "test_cases": len(split.test),
        "pool": len(split.pool),
        "full_score": full,
        "trivial_score": trivial,
        "bounds": {"full": dict(outcomes.full), "trivial": dict(outcomes.trivial)},
        "opponent": opponent.contender.name,
        "strategies": {
            each.contender.name: _of_strategy(each, opponent, budgets, (full, trivial), draws)
            for each in outcomes.plain
        },
        "pairwise": _pairwise(outcomes, budgets, draws),
    }
    results["against_opponent"] = _against(outcomes, opponent, budgets, draws)
    if outcomes.mistaken:
        results["mistakes"] = {
            "share": design.noise,
            "what": WORDS[design.kind],
            "strategies": _mistakes(outcomes, budgets, draws),
        }
    results["notes"] = notes_on(results)
    results["headline"] = headline(results)
    results["conclusion"] = conclusion(results)
    return results


def opponent_of(outcomes: Outcomes) -> Outcome:
    """Return the better of the random baselines, by the mean area under its curve."""
    randoms = [each for each in outcomes.plain if each.contender.is_random]
    return max(randoms, key=lambda each: float(each.scores.mean(axis=0).mean()))


def _of_strategy(
    outcome: Outcome,
    opponent: Outcome,
    budgets: Floats,
    full_and_trivial: tuple[float | None, float | None],
    draws: Floats,
) -> dict[str, Any]:
    areas = area_under(budgets, outcome.scores)
    told: dict[str, Any] = {
        "cold_start": outcome.contender.cold_start,
        "is_random": outcome.contender.is_random,
        "curve": _curve(budgets, outcome.scores, draws),
        "aubc": interval(areas, draws).as_json(),
        "aubc_by_seed": areas.tolist(),
        "scores_by_seed": outcome.scores.tolist(),
        "final": interval(outcome.scores[:, -1], draws).as_json(),
        **_labels_to(outcome, opponent, budgets, full_and_trivial, draws),
        "worst_case": {
            "curve": _curve(budgets, outcome.worst, draws),
            "final": interval(outcome.worst[:, -1], draws).as_json(),
            "aubc": interval(area_under(budgets, outcome.worst), draws).as_json(),
        },
        "costs": {
            axis: _cost_curve(outcome, opponent, axis, full_and_trivial[0], draws)
            for axis in outcome.costs
        },
        "overhead_seconds": {
            name: round(float(each.mean()), 3) for name, each in outcome.seconds.items()
        },
        "refused_versions": outcome.refused,
    }
    if budgets[-1] > _WIDE * budgets[0]:
        told["aubc_log"] = interval(area_under(budgets, outcome.scores, log=True), draws).as_json()
    return told


def _curve(budgets: Floats, scores: Floats, draws: Floats) -> list[dict[str, float]]:
    resampled = draws @ scores
    told = []
    for column, budget in enumerate(budgets):
        low, high = bounds(resampled[:, column])
        mean = float(scores[:, column].mean())
        told.append({"labels": int(budget), "mean": mean, "low": low, "high": high})
    return told


def _labels_to(
    outcome: Outcome,
    opponent: Outcome,
    budgets: Floats,
    full_and_trivial: tuple[float | None, float | None],
    draws: Floats,
) -> dict[str, Any]:
    full, trivial = full_and_trivial
    if full is None:
        return {}
    told: dict[str, Any] = {"labels_to": {}, "labels_to_normalised": {}}
    for percent in TARGETS:
        targets = {"labels_to": percent / 100 * full}
        if trivial is not None and full > trivial:
            targets["labels_to_normalised"] = trivial + percent / 100 * (full - trivial)
        for name, target in targets.items():
            mine = _reached(budgets, outcome.scores, target, draws)
            theirs = _reached(budgets, opponent.scores, target, draws)
            told[name][str(percent)] = {
                "target": target,
                **reached_json(mine[0]),
                "ratio_to_random": ratio_json(mine, theirs),
            }
    return told


def _reached(
    budgets: Floats, scores: Floats, target: float, draws: Floats
) -> tuple[Crossings, Crossings]:
    """Find where the mean curve reaches a target, and where its resamples do."""
    mean = isotonic(scores.mean(axis=0))
    return crossings(budgets, mean, target), crossings(budgets, isotonic(draws @ scores), target)


def _cost_curve(
    outcome: Outcome, opponent: Outcome, axis: str, full: float | None, draws: Floats
) -> dict[str, Any]:
    spent = outcome.costs[axis]
    told: dict[str, Any] = {
        "curve": [
            {"cost": float(cost), "mean": float(mean)}
            for cost, mean in zip(spent.mean(axis=0), outcome.scores.mean(axis=0), strict=True)
        ]
    }
    if full is None or min(each.costs[axis][:, 0].min() for each in (outcome, opponent)) <= 0:
        return told  # a start set that costs nothing has no logarithm
    told["cost_to"] = {}
    for percent in TARGETS:
        pair = []
        for each in (outcome, opponent):
            x, y, target = each.costs[axis], each.scores, percent / 100 * full
            own = crossings(x.mean(axis=0), isotonic(y.mean(axis=0)), target)
            pair.append((own, crossings(draws @ x, isotonic(draws @ y), target)))
        told["cost_to"][str(percent)] = {
            **reached_json(pair[0][0]),
            "ratio_to_random": ratio_json(pair[0], pair[1]),
        }
    return told


def _pairwise(outcomes: Outcomes, budgets: Floats, draws: Floats) -> list[dict[str, Any]]:
    """Compare every two strategies by the areas under their curves, seed by seed."""
    pairs = [
        (left, right)
        for place, left in enumerate(outcomes.plain)
        for right in outcomes.plain[place + 1 :]
    ]
    return _compared(outcomes, pairs, budgets, draws)


def _against(
    outcomes: Outcomes, opponent: Outcome, budgets: Floats, draws: Floats
) -> list[dict[str, Any]]:
    """Compare what is no baseline with the better of the random ones."""
    pairs = [(each, opponent) for each in outcomes.plain if not each.contender.is_random]
    return _compared(outcomes, pairs, budgets, draws)


def _compared(
    outcomes: Outcomes, pairs: Sequence[tuple[Outcome, Outcome]], budgets: Floats, draws: Floats
) -> list[dict[str, Any]]:
    told = []
    for left, right in pairs:
        differences = area_under(budgets, left.scores) - area_under(budgets, right.scores)
        names = (left.contender.name, right.contender.name)
        entry: dict[str, Any] = {
            "a": names[0],
            "b": names[1],
            "difference": interval(differences, draws).as_json(),
            "by_seed": differences.tolist(),
            "p_wilcoxon": wilcoxon(differences),
        }
        cases: Mapping[str, Floats] = outcomes.case_scores
        if cases:
            by_case = area_under(budgets, np.moveaxis(cases[names[0]] - cases[names[1]], 1, -1))
            entry["difference_over_seeds_and_cases"] = two_level_interval(by_case).as_json()
        told.append(entry)
    for entry, adjusted in zip(told, holm([each["p_wilcoxon"] for each in told]), strict=True):
        entry["p_holm"] = adjusted
    return told


def _mistakes(outcomes: Outcomes, budgets: Floats, draws: Floats) -> dict[str, Any]:
    """Say what mistakes in the labels cost each strategy."""
    told = {}
    for clean, mistaken in zip(outcomes.plain, outcomes.mistaken, strict=True):
        areas = area_under(budgets, mistaken.scores)
        loss = area_under(budgets, clean.scores) - areas
        told[clean.contender.name] = {
            "curve": _curve(budgets, mistaken.scores, draws),
            "aubc": interval(areas, draws).as_json(),
            "aubc_lost": interval(loss, draws).as_json(),
        }
    return told


def _mean(by_seed: Mapping[int, float]) -> float | None:
    return float(np.mean(list(by_seed.values()))) if by_seed else None
