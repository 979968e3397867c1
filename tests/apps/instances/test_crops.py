"""Cutting, turning and varying crops, and what the mask head learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from limner.plugin import Instances, from_instance_map, window
from limner_apps.instances.augment import augment, turned
from limner_apps.instances.crops import Target, TrainingCase, cut
from limner_apps.instances.mask_targets import mask_targets


def painted(target: Target, size: int) -> npt.NDArray[np.bool_]:
    """Paint every object into a map of its own, (n, size, size); boxes alone are filled."""
    maps = np.zeros((len(target.boxes), size, size), bool)
    for row, (box, mask) in enumerate(zip(target.boxes, target.masks, strict=True)):
        maps[row][window(box)] = True if mask is None else mask
    return maps


def case_of(label: Instances, shape: tuple[int, int], zoom: float = 1.0) -> TrainingCase:
    """A case whose image is bright where objects are."""
    image = np.zeros(shape, np.float32)
    for box, mask in zip(label.boxes, label.masks, strict=True):
        image[window(box)][... if mask is None else mask] = 1.0
    if zoom != 1.0:
        image = np.kron(image, np.ones((int(zoom), int(zoom)), np.float32))
    return TrainingCase(
        image=image[None],
        target=Target(boxes=label.boxes, masks=label.masks, classes=label.classes),
        shape=shape,
        is_new=False,
    )


@pytest.fixture
def label() -> Instances:
    """A square, an L, a single pixel, and one object in two pieces."""
    numbered = np.zeros((40, 40), np.uint16)
    numbered[4:10, 4:10] = 1
    numbered[20:30, 6:8] = 2
    numbered[28:30, 6:14] = 2
    numbered[15, 30] = 9
    numbered[34:36, 20:22] = 40
    numbered[34:36, 26:28] = 40
    return from_instance_map(numbered, np.array([1, 2, 1, 2]))


def test_a_crop_of_the_whole_image_has_its_objects_unchanged(label: Instances) -> None:
    image, target = cut(case_of(label, (40, 40)), 40, 1.0, (0.0, 0.0))
    assert target.boxes.tolist() == label.boxes.tolist()
    assert target.classes.tolist() == [1, 2, 1, 2]
    assert (painted(target, 40).any(axis=0) == (image[0] > 0.5)).all()


@pytest.mark.parametrize("zoom", [0.5, 0.8, 1.3, 2.0])
def test_objects_stay_on_their_pixels_at_any_zoom(label: Instances, zoom: float) -> None:
    image, target = cut(case_of(label, (40, 40)), 48, zoom, (2.3, -3.1))
    apart = painted(target, 48).any(axis=0) != (image[0] > 0.5)
    # Images are interpolated and masks are not, so single pixels at an edge may differ.
    assert apart.mean() < 0.02
    for box, mask in zip(target.boxes, target.masks, strict=True):
        assert mask is not None
        assert mask[0].any()
        assert mask[-1].any()
        assert mask.shape == tuple(axis.stop - axis.start for axis in window(box))


def test_an_enlarged_image_goes_with_a_label_of_the_stored_size(label: Instances) -> None:
    image, target = cut(case_of(label, (40, 40), zoom=2.0), 80, 1.0, (0.0, 0.0))
    assert target.boxes.tolist() == (2 * label.boxes).tolist()
    assert (painted(target, 80).any(axis=0) == (image[0] > 0.5)).mean() > 0.99


def test_objects_outside_the_crop_are_left_out(label: Instances) -> None:
    _, target = cut(case_of(label, (40, 40)), 12, 1.0, (0.0, 0.0))
    assert target.classes.tolist() == [1]


def test_a_crop_beyond_the_image_has_no_objects_there(label: Instances) -> None:
    _, target = cut(case_of(label, (40, 40)), 16, 1.0, (60.0, 60.0))
    assert len(target.boxes) == 0


def test_a_box_without_mask_is_cut_and_scaled_as_a_box() -> None:
    only_box = Instances(
        boxes=np.array([[4.5, 6.0, 12.5, 18.0]], np.float32),
        masks=(None,),
        classes=np.array([1]),
        scores=np.ones(1, np.float32),
    )
    _, target = cut(case_of(only_box, (40, 40)), 20, 2.0, (4.0, 4.0))
    assert target.masks == (None,)
    assert target.boxes == pytest.approx(np.array([[1.0, 4.0, 17.0, 20.0]]))


def test_thousands_of_objects_are_cut_down_to_those_near_the_middle() -> None:
    numbered = np.arange(1, 64 * 64 + 1).reshape(64, 64)
    many = from_instance_map(numbered, np.ones(64 * 64, np.int64))
    _, target = cut(case_of(many, (64, 64)), 64, 1.0, (0.0, 0.0))
    assert 100 < len(target.boxes) < 64 * 64
    assert np.abs(target.boxes[:, :2] - 31.5).max() < 20


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_objects_turn_with_their_image(label: Instances, quarters: int, mirrored: bool) -> None:
    image, target = cut(case_of(label, (40, 40)), 40, 1.0, (0.0, 0.0))
    image, target = turned(image, target, quarters, mirrored)
    assert (painted(target, 40).any(axis=0) == (image[0] > 0.5)).all()
    without = replace(target, masks=(None,) * len(target.boxes))
    assert (painted(without, 40) >= painted(target, 40)).all()


def test_polarity_turns_bright_objects_dark(label: Instances) -> None:
    image, target = cut(case_of(label, (40, 40)), 40, 1.0, (0.0, 0.0))
    for polarity, brighter in ((0.0, True), (1.0, False)):
        varied, objects = augment(image, target, polarity, np.random.default_rng(0))
        inside = painted(objects, 40).any(axis=0)
        assert (varied[0][inside].mean() > varied[0][~inside].mean()) == brighter


def regions(*boxes: Sequence[float]) -> list[torch.Tensor]:
    return [torch.tensor(boxes, dtype=torch.float32)]


def test_a_region_on_an_object_learns_its_mask_and_one_beside_it_learns_nothing_there() -> None:
    target = Target(
        boxes=np.array([[2, 4, 10, 12]], np.float32),
        masks=(np.ones((8, 8), bool),),
        classes=np.array([1]),
    )
    # x and y: the object itself, and a region of which the right half lies on it.
    wanted, known = mask_targets(
        [target],
        regions([4, 2, 12, 10], [-4, 2, 12, 10]),
        [torch.tensor([0, 0])],
        size=8,
        shape=(16, 16),
    )
    assert known.tolist() == [True, True]
    assert wanted[0, 1:-1, 1:-1].min() == 1.0
    assert wanted[1, 1:-1, :3].max() == 0.0
    assert wanted[1, 1:-1, 5:-1].min() == 1.0


def test_a_region_on_a_box_alone_is_not_learnt() -> None:
    target = Target(
        boxes=np.array([[2, 4, 10, 12], [0, 0, 4, 4]], np.float32),
        masks=(None, np.ones((4, 4), bool)),
        classes=np.array([1, 1]),
    )
    _, known = mask_targets(
        [target], regions([4, 2, 12, 10], [0, 0, 4, 4]), [torch.tensor([0, 1])], 8, (16, 16)
    )
    assert known.tolist() == [False, True]
