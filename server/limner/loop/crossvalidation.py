"""Cross-validation: scores of a training on cases that it has not seen, where labels are few.

Pure: how cases are split, and how the folds' evaluations become one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from limner.plugin import Evaluation

FOLDS = 2
EFFORT = 0.5
"""Of the usual number of steps, for the training of each fold: two folds cost one training."""
FEWEST_LABELS = 10
"""Below so many labels in all, a validation set says less than cross-validation."""
FEWEST_VALIDATION = 2
"""Below so many validation labels there is nothing to test on."""


@dataclass(frozen=True, slots=True)
class Fold:
    """One training of a cross-validation, by label ids."""

    train: tuple[int, ...]
    held_out: tuple[int, ...]


def is_needed(train: Sequence[int], validation: Sequence[int]) -> bool:
    """Tell whether labels are too few for a test on the validation set."""
    return (
        len(train) + len(validation) < FEWEST_LABELS
        or len(validation) < FEWEST_VALIDATION
        or not train
    )


def crossvalidation_folds(
    labels: Sequence[int], seed: int, *, hold_out: Sequence[int] | None = None
) -> tuple[Fold, ...]:
    """Split labels so that each held-out one is scored by a training that did not see it.

    Args:
        labels: Ids of all labels; their order does not matter.
        seed: Of the split.
        hold_out: The labels to score; all of them when None. The others are in every fold's
            training, so a candidate is not made poorer than it need be.

    Returns:
        Up to two folds of nearly equal size; none when nothing would be left to train on.
    """
    every = sorted(set(labels))
    scored = every if hold_out is None else sorted(set(hold_out) & set(every))
    order = np.random.default_rng(seed).permutation(len(scored))
    shuffled = [scored[place] for place in order]
    folds = []
    for number in range(FOLDS):
        held_out = set(shuffled[number::FOLDS])
        train = tuple(label for label in every if label not in held_out)
        if held_out and train:
            folds.append(Fold(train=train, held_out=tuple(sorted(held_out))))
    return tuple(folds)


def merged(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Make the folds' evaluations one: every case once, means weighted by the number of cases.

    Raises:
        ValueError: No evaluation, or they differ in their measure.
    """
    if not evaluations or len({each.measure for each in evaluations}) > 1:
        raise ValueError(
            f"Evaluations of one measure can be merged; got {[e.measure for e in evaluations]}."
        )
    weights = [len(each.case_scores) for each in evaluations]
    return Evaluation(
        measure=evaluations[0].measure,
        case_scores={case: score for e in evaluations for case, score in e.case_scores.items()},
        case_weights=_joined_weights(evaluations),
        class_scores=_weighted([each.class_scores for each in evaluations], weights),
        metrics=_weighted([each.metrics for each in evaluations], weights),
        class_tolerances=_weighted([each.class_tolerances for each in evaluations], weights),
        chance=_weighted([{"chance": each.chance} for each in evaluations], weights)["chance"],
    )


def _joined_weights(evaluations: Sequence[Evaluation]) -> dict[str, float]:
    """Put the folds' weights together; a fold without any counts its cases alike."""
    if not any(each.case_weights for each in evaluations):
        return {}
    return {
        case: each.case_weights.get(case, 1.0) for each in evaluations for case in each.case_scores
    }


def _weighted(parts: Sequence[Mapping[str, float]], weights: Sequence[int]) -> dict[str, float]:
    """Average by name over the parts that have the name; a value that is no number stays one."""
    merged_means = {}
    for name in sorted({name for part in parts for name in part}):
        have = [
            (part[name], weight)
            for part, weight in zip(parts, weights, strict=True)
            if name in part
        ]
        total = sum(weight for _, weight in have)
        merged_means[name] = (
            math.fsum(value * weight for value, weight in have) / total if total else math.nan
        )
    return merged_means
