"""The rounds of all arms as arrays: by strategy, seed and round."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from limner.errors import Conflict
from limner.plugin import Task
from limner.simulate.contenders import Contender
from limner.simulate.curves import Floats
from limner.simulate.design import Design
from limner.simulate.measures import Measure, chosen_measure, worst_case
from limner.simulate.truth import Truth
from limner.simulate.whole_files import read_json
from limner.simulate.work_items import WorkItem, work_items

SECONDS = ("describe", "select", "train", "trial", "measure")

_AXES = {
    Task.SEGMENTATION: ("voxels", "minutes"),
    Task.INSTANCES: ("instances", "minutes"),
    Task.CLASSIFICATION: ("minutes",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one strategy brought; all arrays are (seeds, rounds)."""

    contender: Contender
    scores: Floats
    worst: Floats
    costs: Mapping[str, Floats]
    """What all labels until then have cost, by axis: voxels, instances, minutes."""
    seconds: Mapping[str, Floats]
    refused: int
    """Versions that the gate did not let serve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What a comparison brought, as far as all strategies of a seed are done."""

    measure: Measure
    worst_title: str
    seeds: Sequence[int]
    plain: Sequence[Outcome]
    """Without mistakes in the labels, in the order of the design."""
    mistaken: Sequence[Outcome]
    """With mistakes; empty where none were asked for."""
    full: Mapping[int, float]
    """Score of a training on all labels, by seed."""
    trivial: Mapping[int, float]
    """Score of a training on labels of other images, by seed."""
    case_scores: Mapping[str, Floats]
    """(seeds, rounds, cases) by strategy, where the measure is their plain mean; else empty."""
    left_out: Sequence[str] = ()
    """Strategies that are not done for any seed."""


def read_outcomes(out: Path, design: Design, truth: Truth, wanted: str) -> Outcomes:
    """Read what has been done.

    Args:
        out: Folder of results.
        design: Whose records count.
        truth: Says what labels cost.
        wanted: What is to be compared; see `chosen_measure`.

    Raises:
        Conflict: No seed is done.
        SettingsError: The app reports no such measure.
    """
    records = {each.key: _rounds(out, each, design) for each in work_items(design)}
    arms = [each for each in work_items(design) if each.kind == "arm"]
    contenders, seeds = _complete(design, [each for each in arms if _is_whole(each, records)])
    if not seeds:
        raise Conflict(f"No seed of the comparison in {out} is done; there is nothing to compare.")
    tests = [r["test"] for rounds in records.values() for r in rounds if r["test"] is not None]
    if not tests:
        raise Conflict(f"No version of the comparison in {out} ever served, so none was measured.")
    measure = chosen_measure(tests, design.kind, wanted)
    full = _bound(records, "full", design, measure)
    trivial = _bound(records, "trivial", design, measure)
    floor = float(np.mean(list(trivial.values()))) if trivial else 0.0
    by_noise = {
        noise: [
            _outcome(
                each, [records[_key(arms, each, seed, noise)] for seed in seeds], measure, truth,
                design.kind, floor,
            )
            for each in contenders
        ]
        for noise in design.noises
    }  # fmt: skip
    is_plain = measure.is_mean_of_cases and not any(each["is_weighted"] for each in tests)
    cases = {
        each.name: _case_scores([records[_key(arms, each, seed, 0.0)] for seed in seeds])
        for each in contenders
        if is_plain and all(r["test"] for s in seeds for r in records[_key(arms, each, s, 0.0)])
    }
    return Outcomes(
        measure=measure,
        worst_title=chosen_measure(tests, design.kind, "score").title,
        seeds=seeds,
        plain=by_noise[0.0],
        mistaken=by_noise.get(design.noise, []) if design.noise else [],
        full=full,
        trivial=trivial,
        case_scores=cases if len(cases) == len(contenders) else {},
        left_out=[each.name for each in design.contenders if each not in contenders],
    )


def _complete(
    design: Design, whole: Sequence[WorkItem]
) -> tuple[Sequence[Contender], Sequence[int]]:
    """Return the strategies that are done for any seed, and the seeds that all of those have.

    A strategy that fails for every seed must not take the others along; without a random one there
    is nothing to compare with.
    """
    arms = len(design.noises)

    def seeds_of(contender: Contender) -> set[int]:
        found = [each.seed for each in whole if each.contender == contender]
        return {seed for seed in found if found.count(seed) == arms}

    kept = [each for each in design.contenders if seeds_of(each)]
    if not any(each.is_random for each in kept):
        return [], []
    return kept, sorted(set.intersection(*map(seeds_of, kept)))


def _is_whole(arm: WorkItem, records: Mapping[str, Sequence[Any]]) -> bool:
    return len(records[arm.key]) == arm.rounds


def _rounds(out: Path, item: WorkItem, design: Design) -> list[dict[str, Any]]:
    stored = read_json(item.record(out))
    if stored is None or stored["design"] != design.digest:
        return []
    rounds: list[dict[str, Any]] = stored["rounds"]
    return rounds


def _key(arms: Sequence[WorkItem], contender: Contender, seed: int, noise: float) -> str:
    return next(
        each.key
        for each in arms
        if (each.contender, each.seed, each.noise) == (contender, seed, noise)
    )


def _bound(
    records: Mapping[str, list[dict[str, Any]]], name: str, design: Design, measure: Measure
) -> dict[int, float]:
    found = {}
    for seed in range(design.bounds):
        for each in records.get(f"{name}-seed{seed}", []):
            value = measure.of(each["test"])
            if value is not None:
                found[seed] = value
    return found


def _outcome(
    contender: Contender,
    arms: Sequence[list[dict[str, Any]]],
    measure: Measure,
    truth: Truth,
    task: Task,
    floor: float,
) -> Outcome:
    def array(value: Callable[[dict[str, Any]], float | None]) -> Floats:
        """Turn rounds into numbers; what has none has learnt nothing."""
        return np.array([[_or(value(each), floor) for each in rounds] for rounds in arms])

    seconds = {
        name: np.array([[each["seconds"].get(name, 0.0) for each in rounds] for rounds in arms])
        for name in SECONDS
    }
    return Outcome(
        contender=contender,
        scores=array(lambda each: measure.of(each["test"])),
        worst=np.array(
            [[_or(worst_case(each["test"]), 0.0) for each in rounds] for rounds in arms]
        ),
        costs={axis: _cost(arms, truth, axis) for axis in _AXES[task]},
        seconds=seconds,
        refused=sum(each["outcome"] == "refuse" for rounds in arms for each in rounds),
    )


def _or(value: float | None, floor: float) -> float:
    return floor if value is None else value


def _cost(arms: Sequence[list[dict[str, Any]]], truth: Truth, axis: str) -> Floats:
    def one(name: str) -> float:
        cost = truth.known[name].cost
        return {"voxels": cost.voxels, "instances": cost.instances, "minutes": cost.seconds / 60}[
            axis
        ]

    steps = [
        [sum(one(pick["sample"]) for pick in each["picks"]) for each in rounds] for rounds in arms
    ]
    return np.cumsum(np.array(steps, float), axis=1)


def _case_scores(arms: Sequence[list[dict[str, Any]]]) -> Floats:
    def numbers(test: Mapping[str, Any]) -> Iterator[float]:
        for each in test["case_scores"]:
            yield 0.0 if each is None else each

    return np.array([[list(numbers(each["test"])) for each in rounds] for rounds in arms])
