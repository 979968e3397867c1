"""The evaluation of probabilities against labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limner.plugin import Evaluation, FloatArray, LabelSchema
from limner_apps.classification.metrics import auroc, calibration_error, log_score, share

_LARGEST_TABLE = 10
"""Most classes whose confusions are listed."""


def evaluation_of(
    ids: Sequence[str],
    probabilities: FloatArray,
    truths: npt.NDArray[np.uint8],
    schema: LabelSchema,
    *,
    kinds: int,
) -> Evaluation:
    """Measure predictions.

    The measure is `log_score`; where an image may have several classes, its mean over the classes.
    Where classes exclude each other each class counts alike, however rare, as in training: among
    images of which one in ten is ill, a model that calls all of them healthy is right too often.
    A class's score is its area under the ROC curve against all others, left out where there are not
    both kinds of cases. A single case of the rarer kind can move it by one over their number, so a
    fall within that tells nothing.

    Args:
        ids: Of the cases, (n,).
        probabilities: (n, classes).
        truths: (n, classes), 0 and 1.
        schema: The project's classes.
        kinds: How many different labels the model was trained on. With one alone it has learnt to
            tell nothing apart, and guessing does as well.
    """
    there = truths.astype(bool)
    areas = {
        name: area
        for index, name in enumerate(schema.names)
        if (area := auroc(probabilities[:, index], there[:, index])) is not None
    }
    if schema.exclusive:
        likely = probabilities[there]
        scores, answers = log_score(likely), _exclusive_answers(probabilities)
        confidence, correct = probabilities.max(axis=1), (answers & there).any(axis=1)
        figures = _confusions(answers, there, schema)
        guess = 1.0 / len(schema.classes)
    else:
        likely = np.where(there, probabilities, 1.0 - probabilities)
        scores, answers = log_score(likely).mean(axis=1), probabilities > 0.5
        confidence = np.maximum(probabilities, 1.0 - probabilities).reshape(-1)
        correct = (answers == there).reshape(-1)
        figures = {}
        guess = 0.5
    metrics: dict[str, float | None] = {
        "auroc": _mean(list(areas.values())),
        "balanced_accuracy": _balanced_accuracy(answers, there, schema.exclusive),
        "accuracy": float(correct.mean()) if len(correct) else None,
        "nll": float(-np.log(np.maximum(likely, 1e-7)).mean()) if len(ids) else None,
        "ece": calibration_error(confidence, correct),
    }
    for index, name in enumerate(schema.names):
        hits = answers[:, index] & there[:, index]
        metrics[f"recall_{name}"] = share(hits, there[:, index])
        metrics[f"precision_{name}"] = share(hits, answers[:, index])
    return Evaluation(
        measure="log_score",
        case_scores={name: float(each) for name, each in zip(ids, scores, strict=True)},
        case_weights=_weights(ids, there) if schema.exclusive else {},
        class_scores=areas,
        class_tolerances={
            name: 1.0 / min(int(column.sum()), int((~column).sum()))
            for name, column in zip(schema.names, there.T, strict=True)
            if name in areas
        },
        metrics={k: v for k, v in metrics.items() if v is not None and math.isfinite(v)} | figures,
        is_one_sided=len(np.unique(truths, axis=0)) == 1 < kinds,
        chance=_chance(guess, kinds),
    )


def _chance(guess: float, kinds: int) -> float:
    if guess == 1.0:
        return 0.0  # with a single class that every image has there is nothing to guess
    return float(log_score(np.array(guess))) if kinds > 1 else 1.0


def _weights(ids: Sequence[str], there: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Return weights by which every class that occurs counts alike, one on average."""
    counts = there.sum(axis=0)
    a_class = len(ids) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return {
        name: float(a_class[column]) for name, column in zip(ids, there.argmax(axis=1), strict=True)
    }


def _exclusive_answers(probabilities: FloatArray) -> npt.NDArray[np.bool_]:
    """Return (n, classes), true for the likeliest class of each case."""
    likeliest = probabilities.argmax(axis=1)
    answers: npt.NDArray[np.bool_] = np.arange(probabilities.shape[1]) == likeliest[:, None]
    return answers


def _balanced_accuracy(
    answers: npt.NDArray[np.bool_], there: npt.NDArray[np.bool_], exclusive: bool
) -> float | None:
    """Return the mean recall over classes; else over having and not having each class."""
    columns = [(answers[:, index], there[:, index]) for index in range(there.shape[1])]
    recalls = [share(answer & truth, truth) for answer, truth in columns]
    if not exclusive:
        recalls += [share(~answer & ~truth, ~truth) for answer, truth in columns]
    return _mean([each for each in recalls if each is not None])


def _confusions(
    answers: npt.NDArray[np.bool_], there: npt.NDArray[np.bool_], schema: LabelSchema
) -> dict[str, float]:
    """Count, for every pair of classes, cases of one that were answered as the other."""
    if len(schema.classes) > _LARGEST_TABLE:
        return {}
    counts = there.astype(np.int64).T @ answers.astype(np.int64)
    return {
        f"confusion_{true}_as_{predicted}": float(counts[row, column])
        for row, true in enumerate(schema.names)
        for column, predicted in enumerate(schema.names)
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
