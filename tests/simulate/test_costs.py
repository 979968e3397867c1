"""What labels cost by the simple model that the documentation states."""

from __future__ import annotations

import numpy as np
import pytest

from limner.plugin import ClassScores, Instances, Mask, Task, no_instances
from limner.simulate.costs import Cost, boundary_voxels, cost_of


def test_naming_classes_takes_a_look() -> None:
    answer = ClassScores(probabilities=np.ones(2, np.float32))
    assert cost_of(answer, Task.CLASSIFICATION) == Cost(seconds=5.0)


def test_a_mask_costs_its_look_and_its_contour() -> None:
    array = np.zeros((10, 10), np.uint8)
    array[2:6, 3:7] = 1  # 16 pixels, 12 of them at the rim
    cost = cost_of(Mask(array=array, spacing=(1.0, 1.0)), Task.SEGMENTATION)
    assert cost.voxels == 16
    assert cost.instances == 0
    assert cost.seconds == pytest.approx(20.0 + 12 * 0.3)


def test_a_mask_of_nothing_costs_a_look() -> None:
    empty = Mask(array=np.zeros((4, 4), np.uint8), spacing=(1.0, 1.0))
    assert cost_of(empty, Task.SEGMENTATION) == Cost(seconds=20.0)


def test_both_sides_of_a_border_between_classes_are_drawn_and_the_rim_of_the_image_is_not() -> None:
    array = np.ones((2, 4), np.uint8)
    assert boundary_voxels(array) == 0
    array[:, 2:] = 2
    assert boundary_voxels(array) == 4
    array[:, 3] = 0
    assert boundary_voxels(array) == 4  # columns 1 and 2; column 3 is background


def test_contours_are_counted_in_volumes_too() -> None:
    array = np.zeros((5, 5, 5), np.uint8)
    array[1:4, 1:4, 1:4] = 1
    assert boundary_voxels(array) == 26  # all but the one in the middle


def test_objects_cost_a_look_and_each_its_outline() -> None:
    answer = Instances(
        boxes=np.array([[0, 0, 2, 3], [4, 4, 6, 6]], np.float32),
        masks=(np.array([[1, 1, 0], [0, 1, 1]], bool), None),
        classes=np.array([1, 1]),
        scores=np.ones(2, np.float32),
    )
    cost = cost_of(answer, Task.INSTANCES)
    assert cost == Cost(voxels=4 + 4, instances=2, seconds=10.0 + 2 * 8.0)
    assert cost_of(no_instances(2), Task.INSTANCES) == Cost(seconds=10.0)


def test_a_cost_comes_back_from_its_record() -> None:
    cost = Cost(voxels=3, instances=1, seconds=18.5)
    assert Cost.from_json(cost.as_json()) == cost
