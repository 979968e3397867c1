"""Panoptic quality, against cases worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from limner.loop.agreement.panoptic_quality import overlap, panoptic_quality
from limner.plugin import Instances, no_instances


def bars(*places: tuple[int, int], classes: Sequence[int] | None = None) -> Instances:
    """Objects of one row, each from a column to another one."""
    return Instances(
        boxes=np.array([[0, first, 1, last] for first, last in places], np.float32),
        masks=tuple(np.ones((1, last - first), bool) for first, last in places),
        classes=np.array(classes or [1] * len(places), np.int64),
        scores=np.ones(len(places), np.float32),
    )


def test_the_same_objects_in_another_order_are_perfect() -> None:
    true = bars((0, 4), (6, 9), classes=[1, 2])
    assert panoptic_quality(bars((6, 9), (0, 4), classes=[2, 1]), true) == 1


def test_overlap_is_the_shared_part_of_the_union() -> None:
    assert overlap(bars((0, 4)), 0, bars((1, 5)), 0) == pytest.approx(3 / 5)
    assert overlap(bars((0, 4)), 0, bars((4, 8)), 0) == 0


def test_overlap_is_of_pixels_and_not_of_boxes() -> None:
    corner = np.array([[True, False], [False, False]])
    one, other = (
        Instances(
            boxes=np.array([[0, 0, 2, 2]], np.float32),
            masks=(mask,),
            classes=np.array([1]),
            scores=np.ones(1, np.float32),
        )
        for mask in (corner, ~corner)
    )
    assert overlap(one, 0, other, 0) == 0
    assert overlap(one, 0, one, 0) == 1


def test_an_object_of_which_only_the_box_is_known_fills_it() -> None:
    known = bars((0, 4))
    box = Instances(boxes=known.boxes, masks=(None,), classes=known.classes, scores=known.scores)
    assert overlap(box, 0, bars((0, 3)), 0) == pytest.approx(3 / 4)


def test_matches_misses_and_inventions_are_weighed_as_in_the_paper() -> None:
    # One match of 3/4, one of exactly a half (which is none), and one invention.
    found, true = bars((0, 3), (10, 12), (20, 24)), bars((0, 4), (10, 14))
    assert panoptic_quality(found, true) == pytest.approx(0.75 / (1 + 2 / 2 + 1 / 2))


def test_classes_that_occur_in_either_count_alike() -> None:
    found, true = bars((0, 4), (6, 9), classes=[1, 3]), bars((0, 4), (6, 9), classes=[1, 2])
    assert panoptic_quality(found, true) == pytest.approx((1 + 0 + 0) / 3)


def test_two_found_objects_on_one_known_object_match_once() -> None:
    found, true = bars((0, 3), (0, 4)), bars((0, 4))
    assert panoptic_quality(found, true) == pytest.approx(1 / (1 + 1 / 2))


def test_an_image_without_an_object_is_right_when_nothing_is_found() -> None:
    nothing = no_instances(2)
    assert panoptic_quality(nothing, nothing) == 1
    assert panoptic_quality(bars((0, 4)), nothing) == 0
    assert panoptic_quality(nothing, bars((0, 4))) == 0
