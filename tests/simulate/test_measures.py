"""What is compared: a score, the higher the better, that every evaluation has."""

from __future__ import annotations

from typing import Any

import pytest

from limner.errors import SettingsError
from limner.plugin import Task
from limner.simulate.measures import chosen_measure, shown_score, worst_case


def evaluation(score: float | None = 0.6, **metrics: float | None) -> dict[str, Any]:
    return {"measure": "log_score", "score": score, "metrics": metrics, "case_scores": [0.5]}


def test_classes_are_compared_by_the_area_under_the_roc_curve() -> None:
    tests = [evaluation(auroc=0.8), evaluation(auroc=0.9)]
    measure = chosen_measure(tests, Task.CLASSIFICATION, "auto")
    assert (measure.name, measure.title) == ("auroc", "AUROC")
    assert measure.of(tests[1]) == 0.9
    assert not measure.is_mean_of_cases


@pytest.mark.parametrize(
    ("task", "tests"),
    [
        (Task.SEGMENTATION, [evaluation(auroc=0.8)]),
        (Task.CLASSIFICATION, [evaluation()]),
        (Task.CLASSIFICATION, [evaluation(auroc=0.8), evaluation()]),
    ],
)
def test_otherwise_the_score_of_the_app_is_compared(
    task: Task, tests: list[dict[str, Any]]
) -> None:
    measure = chosen_measure(tests, task, "auto")
    assert (measure.name, measure.title) == ("score", "log score")
    assert measure.of(tests[0]) == 0.6
    assert measure.is_mean_of_cases


def test_the_name_of_the_apps_score_is_the_score() -> None:
    assert chosen_measure([evaluation()], Task.CLASSIFICATION, "log_score").name == "score"


def test_a_metric_that_is_not_there_is_refused_with_those_that_are() -> None:
    tests = [evaluation(auroc=0.8, nll=0.3, accuracy=0.7), evaluation(auroc=0.8, nll=0.3)]
    with pytest.raises(SettingsError, match=r"no 'accuracy' for every version; there are") as told:
        chosen_measure(tests, Task.CLASSIFICATION, "accuracy")
    assert "score, auroc." in str(told.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nll", 0.3),
        ("ece", 0.02),
        ("hd95_mm", 0.8),
        ("count_error", 0.4),
        ("confusion_a_as_b", 1.0),
        ("objects_found", 31.0),
    ],
)
def test_what_is_no_score_cannot_be_compared(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match="the higher the better") as told:
        chosen_measure([evaluation(auroc=0.8, **{name: value})], Task.CLASSIFICATION, name)
    assert "score, auroc" in str(told.value)


def test_a_version_without_a_number_has_none() -> None:
    tests = [evaluation(auroc=0.8), evaluation(None, auroc=None)]
    measure = chosen_measure(tests, Task.CLASSIFICATION, "auroc")
    assert measure.of(tests[1]) is None
    assert measure.of(None) is None
    assert chosen_measure(tests, Task.CLASSIFICATION, "score").of(tests[1]) is None


def test_what_is_shown_on_the_way_is_what_is_compared() -> None:
    test = evaluation(0.97, auroc=0.8, balanced_accuracy=0.7)
    shown = {
        wanted: shown_score(test, Task.CLASSIFICATION, wanted)
        for wanted in ("auto", "score", "balanced_accuracy")
    }
    assert shown == {
        "auto": ("AUROC", 0.8),
        "score": ("log score", 0.97),
        "balanced_accuracy": ("balanced accuracy", 0.7),
    }


def test_the_worst_case_is_the_fifth_percentile() -> None:
    scores = [number / 100 for number in range(101)]
    assert worst_case({**evaluation(), "case_scores": scores}) == pytest.approx(0.05)
    assert worst_case({**evaluation(), "case_scores": [0.2, 1.0]}) == pytest.approx(0.24)
    assert worst_case({**evaluation(), "case_scores": [None, 1.0]}) == pytest.approx(0.05)
    assert worst_case(None) is None
