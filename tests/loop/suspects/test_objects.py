"""ObjectLab on boxes whose scores can be reckoned by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from limner.loop.suspects import judge_objects
from limner.loop.suspects.objects import FLOOR, box_scores, overlaps, similarities
from limner.plugin import Instances

A, B, C = (0, 0, 10, 10), (20, 20, 30, 30), (40, 0, 50, 10)


def instances(
    boxes: Sequence[Sequence[float]], classes: Sequence[int] = (), scores: Sequence[float] = ()
) -> Instances:
    count = len(boxes)
    return Instances(
        boxes=np.array(boxes, np.float32).reshape(count, 4),
        masks=(None,) * count,
        classes=np.array(classes or [1] * count, np.int64),
        scores=np.array(scores or [1.0] * count, np.float32),
    )


def test_similarity_is_nine_parts_overlap_and_one_part_nearness() -> None:
    shifted = (0, 5, 10, 15)
    assert overlaps(np.array([A]), np.array([shifted, B]))[0] == pytest.approx([50 / 150, 0])
    near = math.exp(-5 / 10)
    expected = 0.9 * 50 / 150 + 0.1 * near
    assert similarities(np.array([A]), np.array([shifted]))[0, 0] == pytest.approx(expected)
    assert similarities(np.array([A]), np.array([A]))[0, 0] == pytest.approx(1)


def test_boxes_of_volumes_are_compared_along_three_axes() -> None:
    first, second = np.array([(0, 0, 0, 2, 2, 2)]), np.array([(1, 0, 0, 3, 2, 2)])
    assert overlaps(first, second)[0, 0] == pytest.approx(4 / 12)


def test_a_label_that_the_model_agrees_with_is_no_suspect() -> None:
    found = judge_objects(instances([A, B]), instances([A, B]))
    assert (found.is_suspect, found.reason) == (False, "")
    assert found.score == pytest.approx(1, abs=1e-6)


def test_a_sure_object_that_touches_no_label_was_overlooked() -> None:
    label = instances([A])
    scores = box_scores(label, instances([A, B], scores=[1.0, 0.96]))
    assert scores.overlooked == pytest.approx(0.1 * math.exp(-math.hypot(20, 20) / 10))
    found = judge_objects(label, instances([A, B], scores=[1.0, 0.96]))
    assert found.is_suspect
    assert found.reason == "The model is sure of one object that the label lacks."
    unsure = judge_objects(label, instances([A, B], scores=[1.0, 0.9]))
    assert not unsure.is_suspect


def test_an_object_of_a_class_that_the_label_has_not_at_all_is_the_worst() -> None:
    scores = box_scores(instances([A]), instances([B], classes=[2], scores=[0.98]))
    assert scores.overlooked == pytest.approx(FLOOR * 0.02, rel=1e-5)


def test_a_box_that_the_model_puts_elsewhere_is_badly_located() -> None:
    moved = (0, 6, 10, 16)
    scores = box_scores(instances([A]), instances([moved], scores=[0.7]))
    assert scores.located == pytest.approx([0.9 * 40 / 160 + 0.1 * math.exp(-0.6)])
    found = judge_objects(instances([A]), instances([moved], scores=[0.7]))
    assert "lies elsewhere" in found.reason
    unlikely = box_scores(instances([A]), instances([moved], scores=[0.5]))
    assert unlikely.located.tolist() == [1.0]


def test_a_box_that_is_surely_of_another_class_is_swapped() -> None:
    label = instances([A, B], classes=[1, 2])
    answer = instances([A, B], classes=[2, 2], scores=[0.99, 0.99])
    scores = box_scores(label, answer)
    assert scores.swapped == pytest.approx([FLOOR, 1.0])
    found = judge_objects(label, answer)
    assert "may be of another class" in found.reason
    assert found.model_says["swapped"] == 1


def test_one_box_with_two_classes_is_suspect_whatever_the_model_says() -> None:
    scores = box_scores(instances([A, A], classes=[1, 2]), instances([A]))
    assert scores.swapped.tolist() == [FLOOR, FLOOR]


def test_the_three_scores_weigh_a_third_each() -> None:
    scores = box_scores(instances([A]), instances([(0, 6, 10, 16)], scores=[0.7]))
    assert scores.pooled == pytest.approx(scores.located[0] ** (1 / 3))


def test_nothing_drawn_and_nothing_seen_agree() -> None:
    assert judge_objects(instances([]), instances([])).score == 1.0
    missed = judge_objects(instances([]), instances([A, C], scores=[0.99, 0.97]))
    assert "2 objects that the label lacks" in missed.reason
