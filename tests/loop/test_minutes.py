"""The regression on annotators' seconds: what it finds, what it leaves alone, and its limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from limner.loop.minutes import LEAST, MOST_CLASSES, features, fitted

Doubles = npt.NDArray[np.float64]


def images(count: int, *, classes: int = 1, seed: int = 0) -> tuple[Doubles, Doubles]:
    """Fractions (n, 1 + classes) and pixels (n,) of images that differ much."""
    random = np.random.default_rng(seed)
    covered = random.uniform(0.001, 0.6, (count, 1)) * random.dirichlet(np.ones(classes), count)
    pixels = random.choice([64.0**2, 128.0**2, 256.0**2], count)
    return np.hstack([1 - covered.sum(axis=1, keepdims=True), covered]), pixels


def true_seconds(fractions: Doubles, pixels: Doubles) -> Doubles:
    seconds: Doubles = 2 * (1 + (1 - fractions[:, 0]) * pixels) ** 0.5
    return seconds


def learnt(count: int, *, noise: float = 0.2, seed: int = 0) -> tuple[Doubles, Doubles]:
    fractions, pixels = images(count, seed=seed)
    slips = np.exp(np.random.default_rng(seed + 1).normal(0, noise, count))
    return features(fractions, pixels), true_seconds(fractions, pixels) * slips


def error(pace: Any, seed: int = 9) -> float:
    """The median factor that predictions for other images are off by."""
    fractions, pixels = images(200, seed=seed)
    told = pace.minutes(features(fractions, pixels)) * 60
    return float(np.exp(np.median(np.abs(np.log(told / true_seconds(fractions, pixels))))))


def test_larger_foregrounds_take_longer_as_they_did_before() -> None:
    known, seconds = learnt(60)
    pace = fitted(known, seconds, ["ann"] * 60)
    assert error(pace) < 1.15


def test_twenty_labels_are_the_least() -> None:
    known, seconds = learnt(LEAST)
    assert fitted(known, seconds, ["ann"] * LEAST) is not None
    assert fitted(known[1:], seconds[1:], ["ann"] * (LEAST - 1)) is None
    known[0, 0] = np.nan
    assert fitted(known, seconds, ["ann"] * LEAST) is None
    assert fitted(known[:0], seconds[:0], []) is None


def test_images_that_are_not_described_have_no_minutes() -> None:
    known, seconds = learnt(30)
    pace = fitted(known, seconds, ["ann"] * 30)
    assert pace is not None
    known[3] = np.nan
    told = pace.minutes(known)
    assert np.isnan(told).nonzero()[0].tolist() == [3]
    assert told.dtype == np.float32


def test_time_that_no_feature_tells_apart_is_told_as_its_mean() -> None:
    known, _ = learnt(60)
    seconds = np.exp(np.random.default_rng(5).normal(4, 0.3, 60))
    pace = fitted(known, seconds, ["ann"] * 60)
    assert pace is not None
    told = pace.minutes(known) * 60
    assert told.std() < 0.1 * seconds.std()
    assert told.mean() == pytest.approx(seconds.mean(), rel=0.05)


def test_interruptions_and_slips_do_not_count() -> None:
    known, seconds = learnt(60)
    seconds[[3, 9, 20]] = 1e6
    seconds[[5, 6]] = [0.0, np.nan]
    assert error(fitted(known, seconds, ["ann"] * 60)) < 1.2


def test_a_slow_annotator_of_small_images_does_not_hide_that_large_ones_take_longer() -> None:
    known, seconds = learnt(80)
    is_small = known[:, 1] < np.median(known[:, 1])
    authors = np.where(is_small, "slow", "quick").tolist()
    pace = fitted(known, np.where(is_small, 4 * seconds, seconds), authors)
    alone = fitted(known, np.where(is_small, 4 * seconds, seconds), ["ann"] * 80)
    assert pace is not None
    assert alone is not None
    low, high = np.quantile(known[:, 1], [0.1, 0.9])
    row = np.median(known, axis=0)
    at = np.array([[row[0], low], [row[0], high]])
    told, fooled = pace.minutes(at), alone.minutes(at)
    assert told[1] / told[0] > 1.5 * fooled[1] / fooled[0]


def test_the_order_of_the_labels_decides_nothing() -> None:
    known, seconds = learnt(50)
    authors = ["ann", "ben"] * 25
    order = np.random.default_rng(3).permutation(50)
    one = fitted(known, seconds, authors)
    other = fitted(known[order], seconds[order], [authors[row] for row in order])
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(one.minutes(known), other.minutes(known), rtol=1e-5)


def test_equal_images_and_equal_times_are_no_trouble() -> None:
    known = np.ones((30, 2))
    pace = fitted(known, np.full(30, 90.0), ["ann"] * 30)
    assert pace is not None
    np.testing.assert_allclose(pace.minutes(known), 1.5, rtol=1e-6)


def test_nothing_is_told_far_beyond_what_was_seen() -> None:
    known, seconds = learnt(40)
    pace = fitted(known, seconds, ["ann"] * 40)
    assert pace is not None
    told = pace.minutes(np.array([[30.0, 30.0], [0.0, 0.0]])) * 60
    assert told[0] < 1.5 * seconds.max()
    assert told[1] > 0.5 * seconds.min()


@pytest.mark.parametrize(("classes", "columns"), [(1, 2), (2, 4), (40, 2 + MOST_CLASSES)])
def test_features_are_few_whatever_the_classes(classes: int, columns: int) -> None:
    fractions, pixels = images(7, classes=classes)
    found = features(fractions, pixels)
    assert found.shape == (7, columns)
    assert np.isfinite(found).all()
