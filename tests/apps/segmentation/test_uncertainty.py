"""The voxel maps of uncertainty, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner_apps.segmentation.aggregation import WAYS, aggregate
from limner_apps.segmentation.uncertainty import (
    SampledMaps,
    class_scores,
    dice_disagreement,
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
        for way in WAYS:
            assert 0 <= aggregate(values, p.argmax(axis=0), (size,) * 3, way) <= 1
    scores = class_scores(p, maps[0], (size,) * 3)
    assert scores.shape == (classes - 1,)
    assert scores.min() >= 0
    assert scores.max() <= 1


def test_for_two_classes_the_maps_rank_voxels_alike() -> None:
    p = probabilities(1, 2, (200,))
    order = [np.argsort(values, kind="stable") for values in voxel_maps(p)]
    assert (order[0] == order[1]).all()
    assert (order[1] == order[2]).all()


def test_equal_masks_agree_and_disjoint_ones_do_not() -> None:
    first, second = np.zeros((4, 4), dtype=int), np.zeros((4, 4), dtype=int)
    first[0], second[3] = 1, 1
    assert dice_disagreement([first, first, first], 2) == 0.0
    assert dice_disagreement([first, second], 1) == 1.0
    assert dice_disagreement([first], 1) == 0.0


def sampled(samples: np.ndarray) -> dict[str, np.ndarray]:
    maps = SampledMaps(samples.shape[1:])
    for each in samples:
        maps.add(each)
    return dict(maps.maps())


def test_maps_of_samples_are_as_defined() -> None:
    samples = np.stack([probabilities(seed, 3, (5, 4)) for seed in range(6)]).astype(np.float64)
    maps = sampled(samples)

    def entropy(p: np.ndarray) -> np.ndarray:
        return np.asarray(-(p * np.log(p)).sum(axis=-1) / np.log(3))

    for place in np.ndindex(5, 4):
        p = samples[(slice(None), slice(None), *place)]
        gain = entropy(p.mean(axis=0)) - entropy(p).mean()
        assert maps["bald"][place] == pytest.approx(gain, abs=1e-6)
        votes = np.bincount(p.argmax(axis=1), minlength=3)
        assert maps["variation_ratio"][place] == pytest.approx(1 - votes.max() / 6)
        assert maps["variance"][place] == pytest.approx(p.var(axis=0).sum(), abs=1e-6)


def test_samples_that_agree_have_no_bald_no_dissent_and_no_variance() -> None:
    unsure = np.full((3, 4, 4), 1 / 3, dtype=np.float32)
    for values in sampled(np.stack([unsure] * 5)).values():
        assert values == pytest.approx(np.zeros((4, 4)), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 6), classes=st.integers(2, 4))
def test_maps_of_samples_are_in_zero_to_one_whatever_the_order(
    seed: int, count: int, classes: int
) -> None:
    samples = np.stack([probabilities(seed + each, classes, (3, 4)) for each in range(count)])
    maps, backwards = sampled(samples), sampled(samples[::-1])
    for name, values in maps.items():
        assert values.min() >= 0
        assert values.max() <= 1
        assert values == pytest.approx(backwards[name], abs=1e-6)
