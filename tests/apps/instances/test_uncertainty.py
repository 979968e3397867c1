"""Scores of detections and of sampled detections, against cases worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from limner.plugin import LabelSchema
from limner_apps.instances.detections import Detections, no_detections
from limner_apps.instances.maskal import clustered, maskal_score, semantic_certainty
from limner_apps.instances.uncertainty import describe, detection_scores, empty_score

ONE, TWO = LabelSchema.of("cell"), LabelSchema.of("cell", "debris")


def detections(
    boxes: Sequence[tuple[int, int, int, int]], probabilities: Sequence[Sequence[float]]
) -> Detections:
    """Objects that fill their boxes."""
    return Detections(
        boxes=np.asarray(boxes, np.float32).reshape(-1, 4),
        masks=tuple(np.ones((b[2] - b[0], b[3] - b[1]), bool) for b in boxes),
        probabilities=np.asarray(probabilities, np.float32),
        objectness=0.9,
    )


def test_a_certain_detection_scores_zero_and_an_even_one_scores_one() -> None:
    scores = detection_scores(np.array([[0.0, 1.0], [0.5, 0.5]], np.float32))
    assert scores[:, 0] == pytest.approx(np.zeros(3))
    assert scores[:, 1] == pytest.approx(np.ones(3))


def test_an_image_scores_between_the_mean_and_the_largest_of_its_detections() -> None:
    found = detections([(0, 0, 4, 4), (8, 8, 12, 12)], [[0.0, 1.0], [0.5, 0.5]])
    described = describe(found, found.answer(ONE, 0.4), (16, 16), ONE, np.zeros(3, np.float32), {})
    assert described.scores["entropy"] == pytest.approx(0.75)
    assert described.scores["expected_instances"] == pytest.approx(1.5)
    assert described.class_fractions == pytest.approx(np.array([224 / 256, 32 / 256]))
    assert described.class_scores == pytest.approx(np.array([0.5]))


def test_an_image_without_detection_is_as_unsure_as_its_strongest_proposal() -> None:
    assert empty_score(0.0) == 0.0
    assert 0.0 < empty_score(0.1) < empty_score(0.3) < 1.0
    assert empty_score(0.5) == empty_score(0.99) == 1.0
    nothing = no_detections(1, objectness=0.3)
    described = describe(
        nothing, nothing.answer(ONE, 0.5), (8, 8), ONE, np.zeros(3, np.float32), {}
    )
    assert described.scores["entropy"] == pytest.approx(empty_score(0.3))
    assert described.class_fractions.tolist() == [1.0, 0.0]


def test_maskal_trusts_an_object_that_every_pass_finds_alike() -> None:
    sample = detections([(0, 0, 4, 4)], [[0.0, 1.0]])
    assert maskal_score([sample] * 4, 0.5, 1.0) == pytest.approx(0.0)


def test_maskal_multiplies_class_place_and_how_often() -> None:
    # Found in two of four passes, score 0.8; masks of 16 and 12 pixels, the mean mask has both.
    # c_sem = 0.8; c_spl = mean(1, 12/16) * mean of the boxes' overlap with 4 x 3.5; c_occ = 1/2.
    first = detections([(0, 0, 4, 4)], [[0.2, 0.8]])
    second = detections([(0, 0, 4, 3)], [[0.2, 0.8]])
    nothing = no_detections(1)
    spatial = (1 + 0.75) / 2 * (14 / 16 + 12 / 14) / 2
    expected = 1.0 - 0.8 * spatial * 0.5
    assert maskal_score([first, second, nothing, nothing], 0.5, 1.0) == pytest.approx(expected)


def test_maskal_takes_the_mean_over_objects() -> None:
    both = detections([(0, 0, 4, 4), (8, 8, 12, 12)], [[0.0, 1.0], [0.0, 1.0]])
    one = detections([(0, 0, 4, 4)], [[0.0, 1.0]])
    assert maskal_score([both, one], 0.5, 1.0) == pytest.approx(1.0 - (1.0 + 0.5) / 2)


def test_maskal_of_nothing_is_what_the_caller_says() -> None:
    assert maskal_score([no_detections(1)] * 3, 0.5, 0.37) == 0.37


def test_semantic_certainty_with_several_classes_is_about_which_one() -> None:
    assert semantic_certainty(np.array([[0.2, 0.8, 0.0]], np.float32)) == pytest.approx(1.0)
    assert semantic_certainty(np.array([[0.2, 0.4, 0.4]], np.float32)) == pytest.approx(0.0)


def test_two_detections_of_one_pass_are_two_objects() -> None:
    twice = detections([(0, 0, 4, 4), (0, 0, 4, 4)], [[0.0, 1.0], [0.1, 0.9]])
    assert [len(each.boxes) for each in clustered([twice, twice])] == [2, 2]


def test_the_likeliest_class_is_answered_with_the_value_of_the_schema() -> None:
    found = detections([(0, 0, 4, 4), (0, 0, 4, 4)], [[0.5, 0.1, 0.4], [0.05, 0.9, 0.05]])
    answer = found.answer(TWO, 0.3)
    assert answer.classes.tolist() == [1, 2]
    assert answer.scores.tolist() == pytest.approx([0.9, 0.4])
    assert found.answer(TWO, 0.5).classes.tolist() == [1]
