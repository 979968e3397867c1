"""Small formulas."""

from __future__ import annotations

import numpy as np
import pytest

from limner.loop.agreement.dice import dice, mean_dice
from limner.simulate.jitter import jittered
from limner.simulate.smooth_noise import smooth_noise


def test_dice_is_the_overlap() -> None:
    a = np.array([[1, 1, 0], [0, 2, 2]])
    b = np.array([[1, 0, 0], [0, 2, 2]])
    assert dice(a, b, 1) == pytest.approx(2 / 3)
    assert dice(a, b, 2) == 1
    assert mean_dice(a, b, [1, 2]) == pytest.approx(5 / 6)


def test_a_class_that_is_nowhere_is_right() -> None:
    assert dice(np.zeros(3, int), np.zeros(3, int), 1) == 1


def test_masks_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        dice(np.zeros((2, 3), int), np.zeros((3, 2), int), 1)


def test_smooth_noise_is_scaled_seeded_and_smooth() -> None:
    made = smooth_noise((40, 30, 20), 4, np.random.default_rng(0))
    again = smooth_noise((40, 30, 20), 4, np.random.default_rng(0))
    assert np.array_equal(made, again)
    assert made.shape == (40, 30, 20)
    assert made.mean() == pytest.approx(0, abs=1e-5)
    assert made.std() == pytest.approx(1, abs=1e-5)
    neighbours = np.corrcoef(made[:-1].ravel(), made[1:].ravel())[0, 1]
    across = np.corrcoef(made[0].ravel(), made[-1].ravel())[0, 1]
    assert neighbours > 0.95
    assert abs(across) < 0.6, "the field must not wrap around"


def test_no_jitter_at_zero_and_only_known_values_otherwise() -> None:
    classes = np.zeros((20, 20), np.uint8)
    classes[5:15, 5:15] = 7
    random = np.random.default_rng(0)
    assert np.array_equal(jittered(classes, 0, random), classes)
    moved = jittered(classes, 1.0, random)
    assert set(np.unique(moved)) == {0, 7}
    assert moved.dtype == classes.dtype
    assert dice(moved, classes, 7) > 0.7
