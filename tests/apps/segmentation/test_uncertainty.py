from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner_apps.segmentation.uncertainty import (
    aggregate,
    box_sums,
    class_scores,
    dice_disagreement,
    dilate,
    foreground_mean,
    patch_maximum,
    voxel_maps,
)


def probabilities(seed: int, classes: int, shape: tuple[int, ...]) -> np.ndarray:
    random = np.random.default_rng(seed)
    values = random.dirichlet(np.full(classes, 0.3), size=shape)
    return np.moveaxis(values, -1, 0).astype(np.float32)


def test_certain_voxels_have_no_uncertainty() -> None:
    certain = np.zeros((3, 4, 5), dtype=np.float32)
    certain[1] = 1.0
    assert np.allclose(voxel_maps(certain), 0.0, atol=1e-6)


def test_undecided_voxels_have_all_of_it() -> None:
    assert np.allclose(voxel_maps(np.full((4, 3, 3), 0.25, dtype=np.float32)), 1.0, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), classes=st.integers(2, 5), size=st.integers(1, 9))
def test_every_score_is_in_zero_to_one(seed: int, classes: int, size: int) -> None:
    p = probabilities(seed, classes, (6, 7, 5))
    maps = voxel_maps(p)
    assert maps.min() >= 0
    assert maps.max() <= 1
    for values in maps:
        assert 0 <= aggregate(values, p.argmax(axis=0) > 0, (size,) * 3) <= 1
    scores = class_scores(p, maps[0], (size,) * 3)
    assert scores.shape == (classes - 1,)
    assert scores.min() >= 0
    assert scores.max() <= 1


def test_for_two_classes_the_maps_rank_voxels_alike() -> None:
    p = probabilities(1, 2, (200,))
    order = [np.argsort(values, kind="stable") for values in voxel_maps(p)]
    assert (order[0] == order[1]).all()
    assert (order[1] == order[2]).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), before=st.integers(0, 6), after=st.integers(0, 6))
def test_padding_with_certain_background_changes_nothing(
    seed: int, before: int, after: int
) -> None:
    random = np.random.default_rng(seed)
    values = np.zeros((12, 11), dtype=np.float32)
    foreground = np.zeros((12, 11), dtype=bool)
    values[4:8, 4:7] = random.random((4, 3))
    foreground[5:7, 5:6] = True
    padded = np.pad(values, (before, after))
    grown = np.pad(foreground, (before, after))
    assert aggregate(padded, grown, (3, 3)) == pytest.approx(aggregate(values, foreground, (3, 3)))


def test_the_size_of_an_object_does_not_decide() -> None:
    small, large = np.zeros((40, 40), dtype=np.float32), np.zeros((40, 40), dtype=np.float32)
    small[18:22, 18:22] = 0.5
    large[5:35, 5:35] = 0.5
    score = [foreground_mean(each, each > 0) for each in (small, large)]
    assert score[0] is not None
    assert score[1] is not None
    # The dilated rim weighs more around a small object; the plain sum would differ 56-fold.
    assert 0.2 < score[0] / score[1] < 1.0
    assert patch_maximum(small, (4, 4)) == pytest.approx(patch_maximum(large, (4, 4)))


def test_a_missed_object_counts_though_nothing_is_predicted() -> None:
    values = np.zeros((20, 20), dtype=np.float32)
    values[3:8, 3:8] = 0.8
    nothing = np.zeros((20, 20), dtype=bool)
    assert aggregate(values, nothing, (5, 5)) == pytest.approx(0.8)


def test_box_sums_match_a_plain_loop() -> None:
    values = np.random.default_rng(0).random((5, 6, 4))
    sums = box_sums(values, (2, 3, 1))
    assert sums.shape == (4, 4, 4)
    for index in np.ndindex(sums.shape):
        box = tuple(slice(i, i + n) for i, n in zip(index, (2, 3, 1), strict=True))
        assert sums[index] == pytest.approx(values[box].sum())


def test_dilation_reaches_that_far_and_no_further() -> None:
    point = np.zeros((9, 9), dtype=bool)
    point[4, 4] = True
    grown = dilate(point, 2)
    assert grown.sum() == 25
    assert grown[2:7, 2:7].all()


def test_equal_masks_agree_and_disjoint_ones_do_not() -> None:
    first, second = np.zeros((4, 4), dtype=int), np.zeros((4, 4), dtype=int)
    first[0], second[3] = 1, 1
    assert dice_disagreement([first, first, first], 2) == 0.0
    assert dice_disagreement([first, second], 1) == 1.0
    assert dice_disagreement([first], 1) == 0.0
