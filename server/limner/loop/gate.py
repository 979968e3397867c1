"""The gate: whether a trained version may serve, by a stated test. Pure functions.

The test is a paired bootstrap of the mean difference between candidate and serving version over the
cases that both were measured on (Efron & Tibshirani 1993, An Introduction to the Bootstrap, ch. 13:
the percentile interval). A candidate passes when

1. every one of its scores is a number;
2. the mean difference is not negative;
3. the one-sided lower bound of the mean difference, at `GateSettings.confidence`, is not below
   minus `GateSettings.margin`: a test of non-inferiority;
4. no class's score falls by more than `GateSettings.class_margin`, or by more than what so few
   cases can tell from noise, where the app says how much that is.

Cases count alike, unless the app gives them weights: then every mean above is a weighted one, and a
resample's mean is the sum of what was drawn over the sum of its weights.

Equal models pass: the candidate has seen more labels and is measurably no worse. Rule 2 is what
keeps many small steps down, each within the margin, from adding up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from limner.plugin import Evaluation
from limner.settings import GateSettings

RESAMPLES = 10_000
SMALL = 5
"""Below so many cases the decision says that it stands on few."""
TRIVIAL_SCORE = 0.01
"""A first version whose mean score is not above this, or above what guessing has by the measure,
has learnt nothing."""
_CHUNK = 1_000_000  # numbers drawn at a time: 8 MB

Outcome = Literal["promote", "refuse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the gate decided, and everything it decided on."""

    outcome: Outcome
    reason: str
    """In words, for people."""
    test: str
    """Name of the test; `none` where there was nothing to compare with."""
    measure: str
    method: str = "validation"
    """`validation`, `cross-validation` or `none`: where the candidate's scores come from."""
    n: int = 0
    """Cases that both were measured on."""
    candidate_mean: float | None = None
    serving_mean: float | None = None
    mean_difference: float | None = None
    """Candidate minus serving version; above 0 is better."""
    lower_bound: float | None = None
    """Of the mean difference, one-sided, at `confidence`."""
    class_differences: Mapping[str, float] = field(default_factory=dict)
    worst_case_difference: float | None = None
    compared_with: int | None = None
    """Number of the serving version."""
    cases: Sequence[str] = ()
    """Ids of the samples that decided."""
    notes: Sequence[str] = ()
    confidence: float | None = None
    margin: float | None = None
    class_margin: float | None = None
    resamples: int = RESAMPLES
    seed: int = 0

    @property
    def promotes(self) -> bool:
        """Whether the candidate may serve."""
        return self.outcome == "promote"

    def as_json(self) -> dict[str, Any]:
        """Return plain values for the record."""
        plain = asdict(self)
        return {**plain, "cases": list(self.cases), "notes": list(self.notes)}


def decide(
    candidate: Evaluation | None,
    serving: Evaluation | None,
    gate: GateSettings,
    seed: int,
    *,
    method: str = "validation",
    compared_with: int | None = None,
    notes: Sequence[str] = (),
) -> Decision:
    """Decide whether a candidate may serve.

    Args:
        candidate: Its scores; None when there was no case to measure it on.
        serving: The serving version's scores on the same cases; None when none serves.
        gate: The project's margins.
        seed: Of the resampling.
        method: Where the candidate's scores come from; kept with the decision.
        compared_with: Number of the serving version; kept with the decision.
        notes: What a person should know of how the cases came about; kept with the decision.
    """
    decision = _decided(candidate, serving, gate, seed, notes)
    return replace(decision, method=method, compared_with=compared_with)


def refused_if_collapsed(decision: Decision, final: Evaluation | None) -> Decision:
    """Refuse a version that folds spoke for when its own run has learnt nothing.

    Args:
        decision: The gate's, by the folds.
        final: The version's own scores on cases that it may have learnt from: good for this only.
    """
    if final is None:
        return decision
    mean = weighted_mean(final.case_scores, final.case_weights)
    if _finite(final.case_scores) and mean > _trivial(final):
        return decision
    return replace(
        decision,
        outcome="refuse",
        reason="The final training collapsed: it does not even know the cases that it learnt from.",
    )


def lower_bound(
    differences: npt.ArrayLike,
    *,
    confidence: float,
    seed: int,
    weights: npt.ArrayLike | None = None,
    resamples: int = RESAMPLES,
) -> float:
    """Return the one-sided lower bootstrap bound of the mean of paired differences.

    Args:
        differences: (n,), n at least 1; their order does not matter.
        confidence: In (0.5, 1): the bound is the (1 - confidence) quantile of resampled means.
        seed: Of the resampling.
        weights: (n,), above 0, how much each counts; all alike when None.
        resamples: How often to draw n of them with replacement.
    """
    values = np.asarray(differences, dtype=np.float64)
    n = len(values)
    shares = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    # Sorted, so that the answer does not hang on the order in which cases were stored.
    order = np.lexsort((shares, values))
    values, shares = values[order], shares[order]
    random = np.random.default_rng(seed)
    rows = max(1, min(resamples, _CHUNK // n))
    means = np.empty(resamples)
    for start in range(0, resamples, rows):
        end = min(start + rows, resamples)
        drawn = random.integers(n, size=(end - start, n))
        means[start:end] = (values * shares)[drawn].sum(axis=1) / shares[drawn].sum(axis=1)
    return float(np.quantile(means, 1 - confidence))


def weighted_mean(scores: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Return the mean of scores by case; a case without a weight counts once."""
    # fsum, so that the order of the cases changes not even the last bit.
    total = math.fsum(weights.get(case, 1.0) for case in scores)
    return math.fsum(weights.get(case, 1.0) * each for case, each in scores.items()) / total


def _decided(
    candidate: Evaluation | None,
    serving: Evaluation | None,
    gate: GateSettings,
    seed: int,
    notes: Sequence[str],
) -> Decision:
    if candidate is None:
        return Decision(
            outcome="promote" if serving is None else "refuse",
            reason="Nothing serves yet, and there was no case to measure this version on."
            if serving is None
            else "There was no case to measure this version on, so the serving one stays.",
            test="none",
            measure="" if serving is None else serving.measure,
            notes=notes,
            seed=seed,
        )
    if not _finite(candidate.case_scores):
        return Decision(
            outcome="refuse",
            reason="Some of its scores are no numbers: the training collapsed.",
            test="none",
            measure=candidate.measure,
            cases=tuple(sorted(candidate.case_scores)),
            notes=notes,
            seed=seed,
        )
    if serving is None:
        return _first(candidate, seed, notes)
    return _compared(candidate, serving, gate, seed, notes)


def _first(candidate: Evaluation, seed: int, notes: Sequence[str]) -> Decision:
    mean = weighted_mean(candidate.case_scores, candidate.case_weights)
    trivial = _trivial(candidate)
    learnt = mean > trivial
    words = f"its mean {candidate.measure} of {mean:.3f} on {_cases(len(candidate.case_scores))}"
    return Decision(
        outcome="promote" if learnt else "refuse",
        reason=f"There is no version to compare with, and {words} shows that it has learnt."
        if learnt
        else f"The training collapsed: {words} is not above {trivial:.3g}.",
        test="none",
        measure=candidate.measure,
        n=len(candidate.case_scores),
        candidate_mean=mean,
        cases=tuple(sorted(candidate.case_scores)),
        notes=notes,
        seed=seed,
    )


def _compared(
    candidate: Evaluation,
    serving: Evaluation,
    gate: GateSettings,
    seed: int,
    notes: Sequence[str],
) -> Decision:
    shared = sorted(
        case
        for case, score in serving.case_scores.items()
        if case in candidate.case_scores and math.isfinite(score)
    )
    if not shared or candidate.measure != serving.measure:
        return Decision(
            outcome="refuse",
            reason=f"It was measured by {candidate.measure} and the serving version by "
            f"{serving.measure} with {_cases(len(shared))} in common: they cannot be compared.",
            test="none",
            measure=candidate.measure,
            notes=notes,
            seed=seed,
        )
    changes = {c: candidate.case_scores[c] - serving.case_scores[c] for c in shared}
    differences = np.array(list(changes.values()))
    weights = candidate.case_weights
    bound = lower_bound(
        differences,
        confidence=gate.confidence,
        seed=seed,
        weights=[weights.get(c, 1.0) for c in shared],
    )
    mean = weighted_mean(changes, weights)
    classes = _class_differences(candidate, serving)
    allowed = _allowed_falls(classes, candidate, serving, gate)
    objections = list(_objections(mean, bound, classes, allowed, serving, gate))
    few = (f"Only {_cases(len(shared))}: the test is weak.",) if len(shared) < SMALL else ()
    return Decision(
        outcome="refuse" if objections else "promote",
        reason=_reason(candidate.measure, mean, bound, len(shared), objections, gate),
        test="paired bootstrap of the mean difference, one-sided percentile bound",
        measure=candidate.measure,
        n=len(shared),
        candidate_mean=weighted_mean({c: candidate.case_scores[c] for c in shared}, weights),
        serving_mean=weighted_mean({c: serving.case_scores[c] for c in shared}, weights),
        mean_difference=mean,
        lower_bound=bound,
        class_differences={name: value for name, value in classes.items() if value is not None},
        worst_case_difference=float(differences.min()),
        cases=tuple(shared),
        notes=(*notes, *few),
        confidence=gate.confidence,
        margin=gate.margin,
        class_margin=gate.class_margin,
        seed=seed,
    )


def _class_differences(candidate: Evaluation, serving: Evaluation) -> dict[str, float | None]:
    """Candidate minus serving by class; None where only the candidate's is no number."""
    differences: dict[str, float | None] = {}
    for name, before in serving.class_scores.items():
        # A class that no case holds has a score only where a model sees it wrongly: 0, and nothing
        # can fall below that.
        if math.isfinite(before) and (before > 0 or name in candidate.class_scores):
            after = candidate.class_scores.get(name, math.nan)
            differences[name] = after - before if math.isfinite(after) else None
    return differences


def _allowed_falls(
    classes: Iterable[str], candidate: Evaluation, serving: Evaluation, gate: GateSettings
) -> dict[str, float]:
    return {
        name: max(
            gate.class_margin,
            candidate.class_tolerances.get(name, 0.0),
            serving.class_tolerances.get(name, 0.0),
        )
        for name in classes
    }


def _objections(
    mean: float,
    bound: float,
    classes: Mapping[str, float | None],
    allowed: Mapping[str, float],
    serving: Evaluation,
    gate: GateSettings,
) -> Sequence[str]:
    objections = []
    if mean < 0:
        objections.append(f"the mean is {-mean:.4f} lower")
    if bound < -gate.margin:
        objections.append(
            f"at {gate.confidence:.0%} confidence it may be {-bound:.4f} lower, and "
            f"{gate.margin:g} is allowed"
        )
    for name, difference in classes.items():
        if difference is None:
            objections.append(
                f"class {name} has no score, and had {serving.class_scores[name]:.3f}"
            )
        elif difference < -allowed[name]:
            objections.append(
                f"class {name} falls by {-difference:.4f}, and {allowed[name]:g} is allowed"
            )
    return objections


def _reason(
    measure: str,
    mean: float,
    bound: float,
    n: int,
    objections: Sequence[str],
    gate: GateSettings,
) -> str:
    if objections:
        return f"Worse than the serving version on {_cases(n)}: {'; '.join(objections)}."
    return (
        f"Not worse than the serving version on {_cases(n)}: mean {measure} changes by "
        f"{mean:+.4f}, at {gate.confidence:.0%} confidence by no less than {bound:+.4f}."
    )


def _trivial(evaluation: Evaluation) -> float:
    return max(TRIVIAL_SCORE, evaluation.chance)


def _finite(scores: Mapping[str, float]) -> bool:
    return bool(scores) and all(math.isfinite(score) for score in scores.values())


def _cases(count: int) -> str:
    return f"{count} case" if count == 1 else f"{count} cases"
