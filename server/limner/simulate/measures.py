"""What a comparison compares: one number of an evaluation on the test set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from limner.errors import SettingsError
from limner.plugin import Task

SCORE = "score"
"""The mean over cases of what the app measures by, which decides promotion, too."""

AUTO = "auto"

_OF_TASK = {Task.CLASSIFICATION: "auroc"}
"""Of classes the area under the ROC curve is compared: it does not hang on a threshold, and few
cases move it less than they move a log-likelihood."""
_TITLES = {"auroc": "AUROC", "auc": "AUC", "dice": "Dice", "pq": "PQ", "nll": "NLL", "ece": "ECE"}
_WORST = 5
"""Percentile of the cases that stands for the worst of them."""
_NOT_HIGHER_IS_BETTER = {"nll", "ece", "brier", "error", "loss", "mm", "confusion"}
"""Words in the names of metrics of which less is better, or neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number that every evaluation has."""

    name: str
    """`score`, or the name of a metric of the app."""
    title: str
    """As in a heading."""

    def of(self, test: Mapping[str, Any] | None) -> float | None:
        """Return its value; None where nothing was measured, or no number came of it."""
        if test is None:
            return None
        value = test["score"] if self.name == SCORE else test["metrics"].get(self.name)
        return None if value is None else float(value)

    @property
    def is_mean_of_cases(self) -> bool:
        """Whether it is a mean of one number for each case."""
        return self.name == SCORE


def chosen_measure(tests: Iterable[Mapping[str, Any]], task: Task, wanted: str) -> Measure:
    """Choose what is compared.

    Args:
        tests: Every evaluation that there is, at least one.
        task: Of the project.
        wanted: `auto`, `score`, or the name of a metric.

    Raises:
        SettingsError: Not every evaluation has such a metric, or it is no score: a number from 0 to
            1, of which more is better.
    """
    first, *others = list(tests)
    known = set(first["metrics"]).intersection(*(each["metrics"] for each in others))
    name = wanted
    if wanted == AUTO:
        name = _OF_TASK.get(task, SCORE)
        name = name if name in known else SCORE
    if name not in (SCORE, first["measure"]) and name not in known:
        raise SettingsError(
            f"The app reports no {wanted!r} for every version; there are "
            f"{', '.join([SCORE, *_scores(known, (first, *others))])}."
        )
    if name not in known:
        return Measure(name=SCORE, title=_title(first["measure"]))
    values = [each["metrics"][name] for each in (first, *others)]
    if not _is_a_score(name, values):
        raise SettingsError(
            f"{name!r} is no score that strategies can be compared by: it must be a number from 0 "
            f"to 1, the higher the better. Take --measure {AUTO}, or one of "
            f"{', '.join([SCORE, *_scores(known, (first, *others))])}."
        )
    return Measure(name=name, title=_title(name))


def shown_score(test: Mapping[str, Any], task: Task, wanted: str) -> tuple[str, float | None]:
    """Return the title and the value that are shown of one evaluation while others are to come.

    Args:
        test: What was measured.
        task: Of the project.
        wanted: What is to be compared; see `chosen_measure`.

    Raises:
        SettingsError: It cannot be compared.
    """
    measure = chosen_measure([test], task, wanted)
    return measure.title, measure.of(test)


def worst_case(test: Mapping[str, Any] | None) -> float | None:
    """Return the 5th percentile of the scores by case, by what the app measures by."""
    if test is None:
        return None
    scores = sorted(0.0 if each is None else float(each) for each in test["case_scores"])
    place = (len(scores) - 1) * _WORST / 100
    below = int(place)
    above = min(below + 1, len(scores) - 1)
    return scores[below] + (place - below) * (scores[above] - scores[below])


def _is_a_score(name: str, values: Iterable[float | None]) -> bool:
    is_higher_better = _NOT_HIGHER_IS_BETTER.isdisjoint(name.split("_"))
    return is_higher_better and all(each is None or 0 <= each <= 1 for each in values)


def _scores(known: Iterable[str], tests: Iterable[Mapping[str, Any]]) -> list[str]:
    every = list(tests)
    return [
        each
        for each in sorted(known)
        if _is_a_score(each, [test["metrics"][each] for test in every])
    ]


def _title(name: str) -> str:
    return _TITLES.get(name, name.replace("_", " "))
