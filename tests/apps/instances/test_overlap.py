"""Overlap of boxes and of masks that are cut to them."""

from __future__ import annotations

import numpy as np
import pytest

from limner_apps.instances import overlap
from limner_apps.instances.overlap import Pairs, box_ious, shared_pixels, touching_pairs


def full(rows: int, columns: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.ones((rows, columns), bool)


def test_boxes_that_share_a_quarter_overlap_by_a_seventh() -> None:
    ious = box_ious(np.array([[0, 0, 4, 4]]), np.array([[2, 2, 6, 6], [4, 4, 8, 8]]))
    assert ious == pytest.approx(np.array([[4 / 28, 0.0]]))


def test_masks_are_compared_by_their_pixels_and_not_by_their_boxes() -> None:
    corner = np.zeros((4, 4), bool)
    corner[:2, :2] = True
    boxes = np.array([[0, 0, 4, 4]], np.float32)
    assert touching_pairs(boxes, [corner], boxes, [full(4, 4)]).ious.tolist() == [4 / 16]
    assert touching_pairs(boxes, [corner], boxes, [~corner]).ious.tolist() == [0.0]


def test_masks_of_shifted_boxes_are_laid_over_each_other() -> None:
    first, second = np.array([0, 0, 4, 4]), np.array([2, 1, 6, 5])
    assert shared_pixels(first, full(4, 4), second, full(4, 4)) == 6
    assert shared_pixels(first, full(4, 4), np.array([4, 0, 8, 4]), full(4, 4)) == 0


def test_an_object_of_which_only_the_box_is_known_is_compared_by_its_box() -> None:
    ring = np.zeros((4, 4), bool)
    ring[0] = True
    pairs = touching_pairs(np.array([[0, 0, 4, 4]]), [ring], np.array([[0, 0, 4, 2]]), [None])
    assert pairs.ious.tolist() == [0.5]


def test_objects_that_do_not_touch_make_no_pair() -> None:
    many = np.array([[row, 0, row + 1, 1] for row in range(5000)], np.float32)
    one = np.array([[4000, 0, 4001, 1]], np.float32)
    pairs = touching_pairs(many, [full(1, 1)] * 5000, one, [full(1, 1)])
    assert pairs.matched() == [(4000, 0, 1.0)]
    assert len(pairs.ious) == 1


def test_pairs_are_found_in_parts_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    corners = np.random.default_rng(0).integers(0, 40, (50, 2))
    boxes = np.concatenate([corners, corners + 6], axis=1)
    once = touching_pairs(boxes, [full(6, 6)] * 50, boxes, [full(6, 6)] * 50)
    monkeypatch.setattr(overlap, "_AT_ONCE", 120)
    parts = touching_pairs(boxes, [full(6, 6)] * 50, boxes, [full(6, 6)] * 50)
    assert np.array_equal(once.first, parts.first)
    assert np.array_equal(once.second, parts.second)
    assert np.array_equal(once.ious, parts.ious)


def test_the_best_pair_is_matched_first_and_nothing_twice() -> None:
    pairs = Pairs(
        first=np.array([0, 0, 1, 2]),
        second=np.array([0, 1, 0, 1]),
        ious=np.array([0.9, 0.8, 0.95, 0.5]),
    )
    assert pairs.matched() == [(1, 0, 0.95), (0, 1, 0.8)]
