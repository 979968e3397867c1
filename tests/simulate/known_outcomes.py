"""Designs, labels and outcomes that are made up, to work things out on by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from limner.simulate.contenders import Contender
from limner.simulate.costs import Cost
from limner.simulate.design import Design, Kept
from limner.simulate.measures import Measure
from limner.simulate.outcomes import SECONDS, Outcome, Outcomes
from limner.simulate.results import results_of
from limner.simulate.split import Split
from limner.simulate.truth import Known, Truth

Scores = Sequence[Sequence[float]]


def contender(name: str, **options: Any) -> Contender:
    """A strategy as it is compared; `a→b` opens with a."""
    cold_start, _, strategy = name.rpartition("→")
    return Contender(
        cold_start=cold_start or "random", strategy=strategy, options=options, name=name
    )


def design(*names: str, **values: Any) -> Design:
    """A design of classes `a` and `b`; 10, 20 and 40 labels unless said otherwise."""
    given: dict[str, Any] = {
        "images": "/images",
        "truth": "/labels.csv",
        "truth_digest": "d1",
        "labels": {"a": 1, "b": 2},
        "task": "classification",
        "app": "classification",
        "app_version": "1.0.0",
        "settings": {},
        "plugins": [],
        "contenders": [contender(each) for each in names or ("random", "entropy")],
        "strategy_versions": {},
        "seeds": 10,
        "start": 10,
        "batch": 10,
        "growth": 2.0,
        "rounds": 3,
        "test": "0.25",
        "pool": 0,
        "effort": 1.0,
        "from_scratch": False,
        "every_version": True,
        "noise": 0.0,
        "bounds": 3,
    }
    return Design(**{**given, **values})


def truth(count: int, *, second: int = 2, folder: Path = Path("/images")) -> Truth:
    """Images `i-000` and so on with a label each: every so manieth is a `b`, the others `a`."""
    known = {}
    for number in range(count):
        name = f"i-{number:03d}"
        known[name] = Known(
            name=name,
            files=(f"{name}.png",),
            label=folder / f"{name}.json",
            suffix=".json",
            cost=Cost(seconds=5.0),
            stratum="b" if number % second == second - 1 else "a",
        )
    return Truth(images=folder, modality="", known=known)


def outcome(name: str, scores: Scores, costs: Mapping[str, Any] | None = None) -> Outcome:
    """What a strategy brought; (seeds, rounds)."""
    array = np.array(scores, float)
    minutes = np.broadcast_to(np.arange(1.0, array.shape[1] + 1), array.shape)
    return Outcome(
        contender=contender(name),
        scores=array,
        worst=array / 2,
        costs=costs or {"minutes": minutes},
        seconds={each: np.ones(array.shape) for each in SECONDS},
        refused=0,
    )


def results(
    scores: Mapping[str, Scores],
    *,
    full: float | None = 0.9,
    trivial: float | None = 0.5,
    mistaken: Mapping[str, Scores] | None = None,
    costs: Mapping[str, Any] | None = None,
    **values: Any,
) -> dict[str, Any]:
    """Everything that a comparison says of some scores by strategy, seed and round."""
    seeds = len(next(iter(scores.values())))
    made = design(*scores, **{"seeds": seeds, "noise": 0.1 if mistaken else 0.0, **values})
    outcomes = Outcomes(
        measure=Measure(name="auroc", title="AUROC"),
        worst_title="log score",
        seeds=list(range(seeds)),
        plain=[outcome(name, each, costs) for name, each in scores.items()],
        mistaken=[outcome(name, each) for name, each in (mistaken or {}).items()],
        full={} if full is None else {0: full},
        trivial={} if trivial is None else {0: trivial},
        case_scores={},
    )
    split = Split(test=("t-0", "t-1"), pool=tuple(f"p-{number}" for number in range(50)))
    return results_of(Kept(asked=made, fitted=made), split, outcomes)


def noisy(curve: Sequence[float], seeds: int, seed: int, spread: float = 0.01) -> list[list[float]]:
    """A curve for every seed, each a little off."""
    random = np.random.default_rng(seed)
    return [[each + float(random.normal(0, spread)) for each in curve] for _ in range(seeds)]
