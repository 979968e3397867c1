"""Panoptic quality and the disagreement of sampled answers, against cases worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from limner.plugin import Instances, no_instances
from limner_apps.instances.panoptic import (
    class_qualities,
    image_quality,
    partition_disagreement,
)


def boxed(
    boxes: Sequence[tuple[int, int, int, int]], classes: Sequence[int], outlined: bool = True
) -> Instances:
    """Objects that fill their boxes, or of which only the boxes are known."""
    masks = tuple(np.ones((b[2] - b[0], b[3] - b[1]), bool) if outlined else None for b in boxes)
    return Instances(
        boxes=np.asarray(boxes, np.float32).reshape(-1, 4),
        masks=masks,
        classes=np.asarray(classes, np.int64),
        scores=np.ones(len(boxes), np.float32),
    )


LEFT, RIGHT, LOW = (0, 0, 4, 4), (0, 6, 4, 10), (6, 0, 10, 4)


def test_an_answer_like_its_label_has_quality_one() -> None:
    truth = boxed([LEFT, RIGHT], [1, 2])
    assert class_qualities(truth, truth, (1, 2)) == pytest.approx(np.ones(2))


def test_a_missed_and_a_made_up_object_each_count_half() -> None:
    # One match of overlap 3/4, one object missed, one made up: 0.75 / (1 + 0.5 + 0.5).
    truth, answer = boxed([LEFT, LOW], [1, 1]), boxed([(0, 0, 3, 4), RIGHT], [1, 1])
    assert class_qualities(answer, truth, (1,)) == pytest.approx(np.array([0.375]))


def test_an_overlap_of_one_half_is_no_match() -> None:
    truth, answer = boxed([LEFT], [1]), boxed([(0, 0, 2, 4)], [1])
    assert class_qualities(answer, truth, (1,)) == pytest.approx(np.array([0.0]))


def test_an_object_of_the_wrong_class_is_missed_in_one_and_made_up_in_the_other() -> None:
    qualities = class_qualities(boxed([LEFT], [2]), boxed([LEFT], [1]), (1, 2, 3))
    assert qualities[:2].tolist() == [0.0, 0.0]
    assert np.isnan(qualities[2])


def test_an_image_averages_the_classes_that_are_there() -> None:
    assert image_quality(np.array([0.5, np.nan, 1.0])) == pytest.approx(0.75)


def test_nothing_labelled_and_nothing_found_is_right() -> None:
    nothing = no_instances(2)
    assert image_quality(class_qualities(nothing, nothing, (1,))) == 1.0


def test_something_found_where_nothing_is_labelled_is_wrong() -> None:
    assert image_quality(class_qualities(boxed([LEFT], [1]), no_instances(2), (1,))) == 0.0


def test_a_label_of_boxes_is_matched_by_boxes() -> None:
    answer = boxed([(0, 0, 4, 3)], [1])
    truth = boxed([LEFT], [1], outlined=False)
    assert class_qualities(answer, truth, (1,)) == pytest.approx(np.array([0.75]))


def test_samples_that_split_an_object_disagree() -> None:
    whole, split = boxed([(0, 0, 4, 4)], [1]), boxed([(0, 0, 4, 2), (0, 2, 4, 4)], [1, 1])
    assert partition_disagreement([whole, whole, whole], (1,)) == 0.0
    # Two of three pairs have quality 0, one has 1.
    assert partition_disagreement([whole, whole, split], (1,)) == pytest.approx(2 / 3)


def test_samples_without_any_object_agree_and_one_sample_has_nobody_to_disagree_with() -> None:
    assert partition_disagreement([no_instances(2)] * 3, (1,)) == 0.0
    assert partition_disagreement([boxed([LEFT], [1])], (1,)) == 0.0
