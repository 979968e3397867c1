"""From a map to a number: each way against its definition, and what it is there for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner_apps.segmentation import manifest
from limner_apps.segmentation.aggregation import (
    WAYS,
    aggregate,
    boundary_mean,
    box_sums,
    classes_mean,
    dilate,
    patch_maximum,
    region_mean,
    top_share,
)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), before=st.integers(0, 6), after=st.integers(0, 6))
def test_padding_with_certain_background_changes_nothing(
    seed: int, before: int, after: int
) -> None:
    random = np.random.default_rng(seed)
    values = np.zeros((12, 11), dtype=np.float32)
    foreground = np.zeros((12, 11), dtype=int)
    values[4:8, 4:7] = random.random((4, 3))
    foreground[5:7, 5:6] = 1
    padded = np.pad(values, (before, after))
    grown = np.pad(foreground, (before, after))
    assert aggregate(padded, grown, (3, 3)) == pytest.approx(aggregate(values, foreground, (3, 3)))


def test_the_size_of_an_object_does_not_decide() -> None:
    small, large = np.zeros((40, 40), dtype=np.float32), np.zeros((40, 40), dtype=np.float32)
    small[18:22, 18:22] = 0.5
    large[5:35, 5:35] = 0.5
    score = [region_mean(each, each > 0) for each in (small, large)]
    assert score[0] is not None
    assert score[1] is not None
    # The dilated rim weighs more around a small object; the plain sum would differ 56-fold.
    assert 0.2 < score[0] / score[1] < 1.0
    assert patch_maximum(small, (4, 4)) == pytest.approx(patch_maximum(large, (4, 4)))


def test_a_missed_object_counts_though_nothing_is_predicted() -> None:
    values = np.zeros((20, 20), dtype=np.float32)
    values[3:8, 3:8] = 0.8
    nothing = np.zeros((20, 20), dtype=int)
    for way in set(WAYS) - {"top_share"}:
        assert aggregate(values, nothing, (5, 5), way) == pytest.approx(0.8)


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


def test_the_default_is_the_mean_of_patch_and_foreground() -> None:
    random = np.random.default_rng(4)
    values = random.random((15, 15))
    labels = np.zeros((15, 15), int)
    labels[4:9, 5:8] = 2
    both = [aggregate(values, labels, (4, 4), way) for way in ("patch", "foreground")]
    assert aggregate(values, labels, (4, 4)) == pytest.approx(np.mean(both))
    assert manifest.options["aggregation"].default == WAYS[0]
    assert tuple(manifest.options["aggregation"].choices or ()) == WAYS


def test_the_top_share_is_two_in_a_hundred_and_one_voxel_at_least() -> None:
    values = np.random.default_rng(5).permutation(np.arange(1000) / 1000).reshape(20, 50)
    assert top_share(values) == pytest.approx(np.arange(980, 1000).mean() / 1000)
    assert top_share(np.array([[0.2, 0.7]])) == pytest.approx(0.7)


def test_the_boundary_is_a_band_around_every_edge() -> None:
    labels = np.zeros((12, 12), int)
    labels[:, 6:] = 1
    values = np.zeros((12, 12))
    values[:, 4:8] = 0.6  # the two voxels of each edge, and one beside each
    assert boundary_mean(values, labels) == pytest.approx(0.6)
    values[:, 8] = 1.0
    assert boundary_mean(values, labels) == pytest.approx(0.6)
    assert boundary_mean(values, np.ones((12, 12), int)) is None


def test_a_longer_outline_of_the_same_sharpness_is_no_more_uncertain() -> None:
    scores = []
    for radius in (8, 20):
        y, x = np.mgrid[-30:31, -30:31]
        distance = np.hypot(y, x) - radius
        scores.append(boundary_mean(np.exp(-(distance**2) / 2), (distance < 0).astype(int)))
    assert scores[0] == pytest.approx(scores[1], rel=0.1)


def test_a_small_class_counts_as_much_as_a_large_one() -> None:
    labels, values = np.zeros((40, 40), int), np.zeros((40, 40))
    labels[5:25, 5:25], labels[34, 34] = 1, 2
    values[labels == 1] = 0.0
    values[30:39, 30:39] = 0.8
    assert classes_mean(values, labels) == pytest.approx(0.4)
    assert region_mean(values, labels > 0) == pytest.approx(0.8 * 25 / (24**2 + 25))
    assert classes_mean(values, np.zeros((40, 40), int)) is None
