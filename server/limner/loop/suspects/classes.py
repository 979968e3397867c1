"""Suspect classes of images, by confident learning.

Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels", JAIR
2021. A label is suspect when the model is as sure of another class as it is, on average, of the
images that carry that class. Probabilities must be out of sample: of models that have not learnt
from the label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from limner.loop.suspects.finding import Finding
from limner.plugin import Json, LabelSchema

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

NOBODY = -1
"""In place of a class where the model is confident of none."""

_ROUNDING = 1e-6
"""A mean of equal numbers may be a little above each of them."""


def thresholds(given: Ints, probabilities: Floats) -> Floats:
    """Return how sure the model is, on average, of each class where it is the label.

    Args:
        given: (n,), the class of each label, 0 to K - 1.
        probabilities: (n, K), out of sample.

    Returns:
        (K,), infinite for a class that no label has: nothing can be taken for it.
    """
    classes = probabilities.shape[1]
    means = np.full(classes, np.inf)
    for each in np.unique(given):
        means[each] = probabilities[given == each, each].mean()
    return means


def confident_classes(given: Ints, probabilities: Floats) -> Ints:
    """Return the class that each image is confidently taken for: one cell of the confident joint.

    Of several classes at or above their thresholds, the likeliest class counts.

    Args:
        given: (n,), as in `thresholds`.
        probabilities: (n, K), out of sample.

    Returns:
        (n,), 0 to K - 1, or `NOBODY`.
    """
    sure = probabilities >= thresholds(given, probabilities) - _ROUNDING
    among_sure = np.where(sure, probabilities, -1.0).argmax(axis=1)
    return np.where(sure.any(axis=1), among_sure, NOBODY).astype(np.int64)


def margins(given: Ints, probabilities: Floats) -> Floats:
    """Return the normalised margin of each label: (p of its class - largest other p + 1) / 2.

    Args:
        given: (n,), as in `thresholds`.
        probabilities: (n, K), K at least 2.

    Returns:
        (n,), in [0, 1]; below a half where another class is likelier.
    """
    rows = np.arange(len(given))
    others = probabilities.copy()
    others[rows, given] = -np.inf
    return np.asarray((probabilities[rows, given] - others.max(axis=1) + 1) / 2)


def judge_classes(
    given: npt.NDArray[Any], probabilities: npt.NDArray[Any], schema: LabelSchema
) -> list[Finding]:
    """Judge the labels of a classification, all of a project's together.

    Where an image may have several classes, each class is judged against its absence, and the worst
    one speaks for the label.

    Args:
        given: (n, K), 1 for the classes that each label names, else 0.
        probabilities: (n, K), out of sample, in the schema's order.
        schema: The classes.

    Returns:
        A finding for each label, in their order.
    """
    p = np.asarray(probabilities, np.float64)
    labelled = np.asarray(given) > 0
    if not len(p):
        return []
    if schema.exclusive:
        if len(schema.classes) < 2:
            return [_sound(1.0)] * len(p)  # with one class there is nothing to mistake it for
        return _judge_one(labelled.argmax(axis=1), p, schema.names)
    return _judge_each(labelled, p, schema.names)


def _judge_one(given: Ints, p: Floats, names: Sequence[str]) -> list[Finding]:
    """Judge labels of exactly one class."""
    means, taken_for, scores = thresholds(given, p), confident_classes(given, p), margins(given, p)
    found = []
    for row, (label, other) in enumerate(zip(given, taken_for, strict=True)):
        if other in (NOBODY, label):
            found.append(_sound(scores[row]))
            continue
        reason = (
            f"Labelled {names[label]!r}, which the model gives {p[row, label]:.2f}. It gives "
            f"{names[other]!r} {p[row, other]:.2f}, as much as it gives images of that class on "
            f"average ({means[other]:.2f})."
        )
        found.append(_suspect(scores[row], reason, [names[other]], p[row], names))
    return found


def _judge_each(labelled: npt.NDArray[np.bool_], p: Floats, names: Sequence[str]) -> list[Finding]:
    """Judge labels of any number of classes, class by class."""
    scores, wrong = np.ones(p.shape), np.zeros(p.shape, np.bool_)
    for column in range(p.shape[1]):
        given = labelled[:, column].astype(np.int64)
        sides = np.stack([1 - p[:, column], p[:, column]], axis=1)
        taken_for = confident_classes(given, sides)
        wrong[:, column] = (taken_for != NOBODY) & (taken_for != given)
        scores[:, column] = margins(given, sides)
    found = []
    for row in range(len(p)):
        if not wrong[row].any():
            found.append(_sound(scores[row].min()))
            continue
        columns = [int(each) for each in np.flatnonzero(wrong[row])]
        missing = [names[each] for each in columns if not labelled[row, each]]
        too_many = [names[each] for each in columns if labelled[row, each]]
        parts = [
            f"the model finds {_listed(missing)}, which the label lacks" if missing else "",
            f"the model does not find {_listed(too_many)}, which the label has" if too_many else "",
        ]
        reason = "; ".join(part for part in parts if part) + "."
        says = np.where(wrong[row], ~labelled[row], labelled[row])
        instead = [name for name, has in zip(names, says, strict=True) if has]
        score = scores[row].min()
        found.append(_suspect(score, reason[0].upper() + reason[1:], instead, p[row], names))
    return found


def _sound(score: float) -> Finding:
    return Finding(score=_bounded(score), is_suspect=False, reason="", model_says={})


def _suspect(
    score: float, reason: str, classes: Sequence[str], p: Floats, names: Sequence[str]
) -> Finding:
    told = {name: round(float(value), 4) for name, value in zip(names, p, strict=True)}
    says: dict[str, Json] = {"classes": classes, "probabilities": told}
    return Finding(score=_bounded(score), is_suspect=True, reason=reason, model_says=says)


def _bounded(score: float) -> float:
    return float(np.clip(score, 0.0, 1.0))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(each) for each in names)
