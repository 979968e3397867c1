"""Descriptors of pixels: fixed length, the same every time, and what they do and do not see."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from limner.images.area_mean import area_mean
from limner.images.descriptors import LENGTHS, descriptors
from limner.images.directions import direction_shares


def drawn(*shape: int, seed: int = 0) -> npt.NDArray[np.float64]:
    """A bright, soft box in noise."""
    random = np.random.default_rng(seed)
    array = random.normal(20, 2, shape)
    inside = tuple(slice(side // 4, side // 4 + max(1, side // 3)) for side in shape[1:])
    array[(slice(None), *inside)] += 100
    return array


def apart(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    return float(np.linalg.norm(descriptors(one) - descriptors(other)))


@pytest.mark.parametrize(
    "shape",
    [(1, 28, 28), (3, 28, 28), (1, 1, 1), (1, 3, 700), (5, 200, 90), (1, 9, 8, 7), (2, 70, 40, 1)],
)
def test_the_length_goes_by_the_number_of_axes_alone(shape: tuple[int, ...]) -> None:
    found = descriptors(drawn(*shape))
    assert found.shape == (LENGTHS[len(shape) - 1],)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 1


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i8", "f2", "f4", "f8", "?"])
def test_any_real_type_and_order_in_memory_gives_the_same(dtype: str) -> None:
    array = np.clip(drawn(2, 90, 70), 0, 255).astype(np.uint8).astype(dtype)
    expected = descriptors(array.astype(np.float64))
    np.testing.assert_array_equal(descriptors(array), descriptors(array))
    np.testing.assert_allclose(descriptors(array), expected, atol=1e-6)
    np.testing.assert_allclose(descriptors(np.asfortranarray(array)), expected, atol=1e-6)
    np.testing.assert_allclose(descriptors(np.repeat(array, 2, 2)[:, :, ::2]), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 20, 20), (3, 12, 11, 10)])
@pytest.mark.parametrize("value", [0.0, -7.5, 1e300, np.nan, np.inf])
def test_an_image_of_one_value_is_described_and_all_are_alike(
    shape: tuple[int, ...], value: float
) -> None:
    np.testing.assert_array_equal(
        descriptors(np.full(shape, value)), descriptors(np.zeros(shape, np.uint8))
    )


def test_values_that_are_not_finite_count_as_dark() -> None:
    array = np.maximum(drawn(1, 40, 40), 20)
    array[0, :3] = array.min()
    holed = array.copy()
    holed[0, 0], holed[0, 1], holed[0, 2] = np.nan, np.inf, -np.inf
    np.testing.assert_allclose(descriptors(holed), descriptors(array), atol=1e-6)


def test_a_pixel_that_is_not_finite_does_not_spoil_the_cell_around_it() -> None:
    array = drawn(1, 256, 256)
    holed = array.copy()
    holed[0, ::7, ::5] = np.nan
    assert apart(array, holed) < 0.2 * apart(array, drawn(1, 256, 256)[:, ::-1])


def test_neither_gain_nor_offset_nor_a_hot_pixel_says_anything() -> None:
    array = drawn(1, 60, 60)
    np.testing.assert_allclose(descriptors(array * 37 - 1000), descriptors(array), atol=1e-5)
    np.testing.assert_allclose(descriptors(array * 1e306), descriptors(array), atol=1e-5)
    hot = array.copy()
    hot[0, 5, 5] = 1e6
    assert apart(hot, array) < 0.25 * apart(array, array[:, ::-1])


def test_another_order_of_the_channels_changes_their_moments_alone() -> None:
    array = np.concatenate([drawn(1, 30, 30), 0.3 * drawn(1, 30, 30)[:, ::-1], drawn(1, 30, 30)])
    found, turned = descriptors(array), descriptors(array[[1, 2, 0]])
    np.testing.assert_allclose(turned[:-12], found[:-12], atol=1e-6)
    np.testing.assert_allclose(
        turned[-12:].reshape(4, 3), found[-12:].reshape(4, 3)[[1, 2, 0, 3]], atol=1e-6
    )


def test_shuffled_pixels_keep_the_histogram_and_lose_the_layout() -> None:
    array = drawn(1, 40, 40)
    shuffled = np.random.default_rng(1).permutation(array.ravel()).reshape(array.shape)
    one, other = descriptors(array), descriptors(shuffled)
    np.testing.assert_allclose(one[64:80], other[64:80], atol=1e-6)
    assert np.linalg.norm(one[:64] - other[:64]) > 0.5


def test_a_large_image_is_described_like_its_small_copy() -> None:
    small = drawn(1, 64, 64)
    large = np.kron(small, np.ones((1, 20, 20)))
    np.testing.assert_allclose(descriptors(large), descriptors(small), atol=1e-6)


def test_kinds_of_images_lie_apart_and_images_of_a_kind_together() -> None:
    kinds = [
        [drawn(1, 40, 40, seed=seed) for seed in range(5)],
        [drawn(1, 40, 40, seed=seed)[:, ::-1, ::-1] for seed in range(5)],
        [np.random.default_rng(seed).normal(0, 1, (1, 40, 40)) for seed in range(5)],
    ]
    points = np.array([[descriptors(image) for image in kind] for kind in kinds])
    within = np.linalg.norm(points - points.mean(axis=1, keepdims=True), axis=2).mean(axis=1)
    centres = points.mean(axis=1)
    between = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    assert between[~np.eye(3, dtype=bool)].min() > 1.5 * within.max()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_edges_of_a_volume_are_seen_along_their_axis(axis: int) -> None:
    """Two of the six directions lie near each axis, and they are others for each."""
    ramp = np.moveaxis(np.broadcast_to(np.linspace(0, 1, 12), (12, 12, 12)), 2, axis)
    shares = direction_shares(np.ascontiguousarray(ramp)).sum(axis=(1, 2, 3))
    near = np.argsort(-shares)[:2]
    assert shares[near].sum() > 0.8 * shares.sum()
    assert set((near % 3).tolist()) == {2 - axis}


def test_edges_of_a_picture_are_seen_at_their_angle() -> None:
    rows, columns = np.mgrid[:32, :32] / 31
    for number in range(8):
        ramp = np.cos(number * np.pi / 8) * rows + np.sin(number * np.pi / 8) * columns
        for turned in (ramp, -ramp):
            shares = direction_shares(turned).sum(axis=(1, 2))
            assert int(shares.argmax()) == number
            assert shares[number] > 0.99 * shares.sum()


def test_the_mean_of_an_area_is_exact_for_parts_of_pixels() -> None:
    np.testing.assert_allclose(area_mean(np.array([3.0, 6.0, 9.0]), (2,)), [4.0, 8.0])
    np.testing.assert_allclose(area_mean(np.array([3.0, 6.0]), (3,)), [3.0, 4.5, 6.0])
    image = drawn(2, 17, 23)
    small = area_mean(image, (5, 6))
    assert small.shape == (2, 5, 6)
    np.testing.assert_allclose(small.mean(axis=(1, 2)), image.mean(axis=(1, 2)))
