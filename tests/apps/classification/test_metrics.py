from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.plugin import LabelSchema
from limner_apps.classification.evaluation import evaluation_of
from limner_apps.classification.metrics import auroc, calibration_error, log_score, share

SCHEMA = LabelSchema.of("cat", "dog", "owl")
SEVERAL = LabelSchema(classes=SCHEMA.classes, exclusive=False)


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.integers(0, 6), min_size=2, max_size=30),
    seed=st.integers(0, 2**31),
)
def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(
    scores: list[int], seed: int
) -> None:
    truths = np.random.default_rng(seed).random(len(scores)) < 0.5
    positive = [s for s, there in zip(scores, truths, strict=True) if there]
    negative = [s for s, there in zip(scores, truths, strict=True) if not there]
    area = auroc(np.array(scores), truths)
    if not positive or not negative:
        assert area is None
        return
    pairs = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    assert area == pytest.approx(np.mean(pairs))


def test_the_log_score_is_one_for_certainty_and_zero_for_a_clipped_mistake() -> None:
    scores = log_score(np.array([1.0, 0.5, 0.001, 1e-9, 0.0]))
    assert scores[0] == 1.0
    assert scores[1] == pytest.approx(1 - math.log(2) / math.log(1000))
    assert scores[2:] == pytest.approx([0.0, 0.0, 0.0], abs=1e-12)


def test_differences_of_log_scores_are_scaled_differences_of_log_losses() -> None:
    p, q = np.array([0.9, 0.2, 0.05]), np.array([0.6, 0.3, 0.5])
    scores = (log_score(p) - log_score(q)).mean()
    losses = (-np.log(q) + np.log(p)).mean()
    assert scores == pytest.approx(losses / math.log(1000))


def test_a_calibrated_answer_has_no_calibration_error_and_a_bragging_one_has() -> None:
    right = np.arange(1000) % 10 < 7
    assert calibration_error(np.full(1000, 0.7), right) == pytest.approx(0.0, abs=1e-9)
    assert calibration_error(np.full(1000, 0.99), right) == pytest.approx(0.29)


def test_few_cases_are_put_in_few_bins() -> None:
    confidence, right = np.array([0.6, 0.95, 0.7, 0.9]), np.array([True, True, True, False])
    assert calibration_error(confidence, right) == pytest.approx(abs(0.75 - 0.7875))
    assert calibration_error(np.zeros(0), np.zeros(0)) == 0.0


def test_a_share_of_no_case_is_not_a_number_but_nothing() -> None:
    assert share(np.array([True, False]), np.array([False, False])) is None
    assert share(np.array([True, False]), np.array([True, True])) == 0.5


def test_an_evaluation_of_exclusive_classes_has_the_figures_of_its_table() -> None:
    likely = [0, 0, 1, 1, 2, 0]
    true = [0, 0, 1, 0, 2, 2]
    probabilities = np.full((6, 3), 0.1, dtype=np.float32)
    probabilities[np.arange(6), likely] = 0.8
    truths = np.eye(3, dtype=np.uint8)[true]
    result = evaluation_of([f"c{i}" for i in range(6)], probabilities, truths, SCHEMA, kinds=3)
    assert result.measure == "log_score"
    assert result.chance == pytest.approx(float(log_score(np.array(1 / 3))))
    assert result.case_scores["c0"] == pytest.approx(float(log_score(np.array(0.8))))
    assert result.case_scores["c5"] == pytest.approx(float(log_score(np.array(0.1))))
    assert result.metrics["accuracy"] == pytest.approx(4 / 6)
    assert result.metrics["recall_cat"] == pytest.approx(2 / 3)
    assert result.metrics["recall_owl"] == pytest.approx(1 / 2)
    assert result.metrics["precision_dog"] == pytest.approx(1 / 2)
    assert result.metrics["balanced_accuracy"] == pytest.approx((2 / 3 + 1 + 1 / 2) / 3)
    assert result.metrics["confusion_owl_as_cat"] == 1.0
    assert result.metrics["confusion_cat_as_dog"] == 1.0
    table = [value for name, value in result.metrics.items() if name.startswith("confusion_")]
    assert len(table) == 9
    assert sum(table) == 6
    assert set(result.class_scores) == {"cat", "dog", "owl"}
    assert result.metrics["auroc"] == pytest.approx(np.mean(list(result.class_scores.values())))


def test_a_class_without_cases_has_no_score_and_no_recall() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1]], dtype=np.float32)
    truths = np.array([[1, 0, 0], [0, 1, 0]], dtype=np.uint8)
    result = evaluation_of(["a", "b"], probabilities, truths, SCHEMA, kinds=3)
    assert set(result.class_scores) == {"cat", "dog"}
    assert "recall_owl" not in result.metrics
    assert "precision_owl" not in result.metrics
    assert result.metrics["balanced_accuracy"] == 1.0


def test_cases_of_one_class_only_leave_no_area_but_are_scored() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1]], dtype=np.float32)
    result = evaluation_of(
        ["a"], probabilities, np.array([[1, 0, 0]], dtype=np.uint8), SCHEMA, kinds=3
    )
    assert dict(result.class_scores) == {}
    assert "auroc" not in result.metrics
    assert 0 < result.case_scores["a"] < 1


def test_an_evaluation_of_classes_that_go_together_judges_each_by_itself() -> None:
    probabilities = np.array([[0.9, 0.8, 0.1], [0.1, 0.9, 0.4], [0.2, 0.3, 0.2]], dtype=np.float32)
    truths = np.array([[1, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=np.uint8)
    result = evaluation_of(["a", "b", "c"], probabilities, truths, SEVERAL, kinds=3)
    assert result.chance == pytest.approx(float(log_score(np.array(0.5))))
    wanted = np.mean(log_score(np.array([0.9, 0.8, 0.9])))
    assert result.case_scores["a"] == pytest.approx(wanted)
    assert result.metrics["accuracy"] == pytest.approx(7 / 9)
    assert result.metrics["recall_owl"] == 0.0
    assert "precision_owl" not in result.metrics
    assert result.metrics["balanced_accuracy"] == pytest.approx((1 + 1 + 0 + 1 + 0.5 + 1) / 6)
    assert not any(name.startswith("confusion") for name in result.metrics)


def test_one_exclusive_class_is_always_right_and_better_than_chance() -> None:
    ones = np.ones((2, 1), dtype=np.float32)
    result = evaluation_of(["a", "b"], ones, ones.astype(np.uint8), LabelSchema.of("only"), kinds=3)
    assert set(result.case_scores.values()) == {1.0}
    assert result.chance == 0.0


def test_many_classes_have_no_table_of_confusions() -> None:
    schema = LabelSchema.numbered(f"k{i}" for i in range(11))
    eye = np.eye(11, dtype=np.float32)
    result = evaluation_of([str(i) for i in range(11)], eye, eye.astype(np.uint8), schema, kinds=3)
    assert not any(name.startswith("confusion") for name in result.metrics)


def test_a_single_case_moves_an_area_by_no_more_than_its_tolerance() -> None:
    truths = np.eye(3, dtype=np.uint8)[[0, 0, 0, 1, 1, 2]]
    before = np.full((6, 3), 0.2, np.float32) + 0.4 * truths
    ids = [str(number) for number in range(6)]
    result = evaluation_of(ids, before, truths, SCHEMA, kinds=3)
    assert dict(result.class_tolerances) == pytest.approx({"cat": 1 / 3, "dog": 1 / 2, "owl": 1.0})
    for moved in range(6):
        after = before.copy()
        after[moved] = after[moved][[1, 2, 0]]
        changed = evaluation_of(ids, after, truths, SCHEMA, kinds=3)
        for name, area in changed.class_scores.items():
            assert result.class_scores[name] - area <= result.class_tolerances[name] + 1e-6


def test_every_class_counts_alike_however_rare() -> None:
    truths = np.eye(3, dtype=np.uint8)[[0, 0, 0, 0, 0, 0, 0, 0, 1, 1]]
    constant = np.tile(np.array([[0.998, 0.001, 0.001]], np.float32), (10, 1))
    ids = [str(number) for number in range(10)]
    result = evaluation_of(ids, constant, truths, SCHEMA, kinds=2)
    weights, scores = result.case_weights, result.case_scores
    assert sum(weights.values()) == pytest.approx(10)
    assert weights["0"] * 8 == pytest.approx(weights["9"] * 2)
    mean = sum(weights[name] * scores[name] for name in ids) / 10
    assert mean == pytest.approx(0.5, abs=1e-3)
    assert mean < result.chance


def test_a_model_of_a_single_label_is_no_better_than_guessing() -> None:
    truths = np.eye(3, dtype=np.uint8)[[0, 0]]
    sure = truths.astype(np.float32)
    assert evaluation_of(["a", "b"], sure, truths, SCHEMA, kinds=1).chance == 1.0
    assert evaluation_of(["a", "b"], sure, truths, SCHEMA, kinds=2).chance < 1.0
    only = LabelSchema.of("only")
    ones = np.ones((2, 1), np.float32)
    assert evaluation_of(["a", "b"], ones, ones.astype(np.uint8), only, kinds=1).chance == 0.0
