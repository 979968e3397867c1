"""Confident learning on arrays small enough to reckon by hand."""

from __future__ import annotations

import numpy as np
import pytest

from limner.loop.suspects import judge_classes
from limner.loop.suspects.classes import NOBODY, confident_classes, margins, thresholds
from limner.plugin import LabelSchema

GIVEN = np.array([0, 0, 0, 1, 1])
P = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6], [0.1, 0.9]])
SCHEMA = LabelSchema.of("dark", "bright")


def test_a_threshold_is_the_mean_probability_of_a_class_where_it_is_the_label() -> None:
    assert thresholds(GIVEN, P) == pytest.approx([(0.9 + 0.7 + 0.2) / 3, (0.6 + 0.9) / 2])


def test_nothing_is_taken_for_a_class_that_no_label_has() -> None:
    three = np.array([[0.1, 0.2, 0.7], [0.8, 0.1, 0.1]])
    given = np.array([1, 0])
    assert thresholds(given, three)[2] == np.inf
    assert 2 not in confident_classes(given, three)


def test_an_image_is_taken_for_a_class_that_reaches_its_threshold() -> None:
    # The thresholds are 0.6 and 0.75; the fourth image reaches neither.
    assert confident_classes(GIVEN, P).tolist() == [0, 0, 1, NOBODY, 1]


def test_of_several_classes_above_their_thresholds_the_likeliest_counts() -> None:
    p = np.array([[0.55, 0.45], [0.5, 0.5], [0.6, 0.4], [0.65, 0.35]])
    given = np.array([0, 1, 0, 1])  # thresholds 0.575 and 0.425
    assert confident_classes(given, p).tolist() == [1, 1, 0, 0]
    three = np.array([[0.4, 0.35, 0.25], [0.2, 0.5, 0.3], [0.3, 0.3, 0.4]])
    low = np.array([2, 1, 0])  # thresholds 0.3, 0.5 and 0.25
    assert confident_classes(low, three).tolist() == [0, 1, 2]


def test_a_class_that_every_image_has_with_the_same_probability_reaches_its_threshold() -> None:
    p = np.tile([0.1, 0.9], (7, 1))  # the mean of seven times 0.1 is a little more than 0.1
    assert (confident_classes(np.zeros(7, np.int64), p) == 0).all()


def test_a_margin_is_half_of_one_more_than_the_difference_to_the_largest_other() -> None:
    p = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    assert margins(np.array([0, 1]), p) == pytest.approx([(0.2 + 1) / 2, (-0.5 + 1) / 2])


def test_the_wrong_label_alone_is_suspect_and_the_reason_says_what_it_looks_like() -> None:
    found = judge_classes(np.eye(2)[GIVEN], P, SCHEMA)
    assert [each.is_suspect for each in found] == [False, False, True, False, False]
    worst = found[2]
    assert worst.score == pytest.approx((0.2 - 0.8 + 1) / 2)
    assert min(found, key=lambda each: each.score) is worst
    assert "'dark'" in worst.reason
    assert "'bright' 0.80" in worst.reason
    assert worst.model_says["classes"] == ["bright"]
    assert worst.model_says["probabilities"] == {"dark": 0.2, "bright": 0.8}


def test_where_an_image_may_have_several_classes_each_is_judged_against_its_absence() -> None:
    schema = LabelSchema(classes=SCHEMA.classes, exclusive=False)
    given = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0]])
    p = np.array([[0.9, 0.1], [0.8, 0.9], [0.1, 0.8], [0.2, 0.9], [0.1, 0.1]])
    found = judge_classes(given, p, schema)
    assert [each.is_suspect for each in found] == [False, True, False, False, True]
    assert "'bright', which the label lacks" in found[1].reason
    assert found[1].model_says["classes"] == ["dark", "bright"]
    assert "does not find 'dark'" in found[4].reason
    assert found[4].model_says["classes"] == []
    assert found[1].score == pytest.approx((1 - 0.9 - 0.9 + 1) / 2)


def test_no_label_and_a_single_class_have_no_suspects() -> None:
    assert judge_classes(np.zeros((0, 2)), np.zeros((0, 2)), SCHEMA) == []
    alone = judge_classes(np.ones((3, 1)), np.ones((3, 1)), LabelSchema.of("dark"))
    assert [(each.score, each.is_suspect) for each in alone] == [(1.0, False)] * 3
