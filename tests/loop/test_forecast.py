"""Forecasts of learning curves, against curves whose course is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.loop.forecast import Estimate, forecast
from limner.records.learning_curve import CurvePoint


def point(
    labels: int, score: float | None, measure: str = "dice", method: str = "validation"
) -> CurvePoint:
    return CurvePoint(
        number=1,
        state="retired",
        label_count=labels,
        measure=measure,
        score=score,
        cases=10,
        method=method,
        created_at=0.0,
    )


def course(labels: float, end: float = 0.9, height: float = 0.4, rate: float = 0.03) -> float:
    return end - height * math.exp(-rate * labels)


def curve(counts: range, noise: float = 0.0, seed: int = 0) -> list[CurvePoint]:
    random = np.random.default_rng(seed)
    return [point(each, course(each) + noise * random.normal()) for each in counts]


def known(found: Estimate | None) -> tuple[float, float, float]:
    assert found is not None
    assert found.estimate is not None
    assert found.low is not None
    assert found.high is not None
    return found.estimate, found.low, found.high


def test_a_curve_without_noise_is_found_again() -> None:
    found = forecast(curve(range(5, 105, 5)), 20, target=0.89)
    assert (found.reason, found.versions, found.measure) == ("", 20, "dice")
    assert known(found.plateau)[0] == pytest.approx(0.9, abs=0.003)
    assert known(found.score)[0] == pytest.approx(course(100), abs=0.002)
    assert known(found.gain)[0] == pytest.approx(course(120) - course(100), abs=0.002)
    exact = math.log(0.4 / 0.01) / 0.03 - 100
    assert known(found.labels_to_target)[0] == pytest.approx(exact, abs=8)
    assert (found.is_flat, found.is_reached) == (False, False)


def test_intervals_hold_what_is_true_about_as_often_as_they_say() -> None:
    gain = course(120) - course(100)
    hits = 0
    for seed in range(60):
        _, low, high = known(forecast(curve(range(5, 105, 5), 0.01, seed), 20).gain)
        hits += low <= gain <= high
    assert 38 <= hits <= 56  # 80 % of 60 are 48


def test_a_curve_at_its_end_is_flat() -> None:
    found = forecast([point(each, 0.9) for each in range(100, 200, 10)], 10, target=0.85)
    assert (found.is_flat, found.is_reached) == (True, True)
    assert known(found.labels_to_target) == (0, 0, 0)


def test_a_falling_curve_promises_nothing() -> None:
    found = forecast([point(each, 0.9 - each / 1000) for each in range(0, 100, 10)], 10)
    assert known(found.gain)[0] == 0
    assert known(found.plateau)[0] == pytest.approx(0.855)


def test_a_target_above_the_end_is_out_of_sight() -> None:
    found = forecast(curve(range(5, 205, 5)), 5, target=0.99)
    assert found.labels_to_target == Estimate(estimate=None, low=None, high=None)
    assert not found.is_reached


def test_nothing_is_said_of_few_versions_or_of_one_number_of_labels() -> None:
    found = forecast(curve(range(5, 20, 5)), 5, target=0.8)
    assert found.reason == "4 versions measured alike are needed, 3 are there"
    assert (found.gain, found.labels_to_target, found.target) == (None, None, 0.8)
    assert "learnt from 7 labels" in forecast([point(7, 0.5)] * 6, 5).reason
    assert "0 are there" in forecast([], 5).reason


def test_only_versions_measured_like_the_newest_count() -> None:
    others = [point(1, 0.1, method="cross-validation"), point(2, None), point(3, 7.0, measure="x")]
    plain = curve(range(5, 55, 5), 0.01)
    assert forecast([*others, *plain], 5) == forecast(plain, 5)


def test_the_same_seed_says_the_same() -> None:
    versions = curve(range(5, 55, 5), 0.02)
    assert forecast(versions, 5, seed=3) == forecast(versions, 5, seed=3)
    assert forecast(versions, 5, seed=3) != forecast(versions, 5, seed=4)


@given(
    st.lists(
        st.tuples(st.integers(0, 10_000), st.floats(0, 1, allow_nan=False)), min_size=4, max_size=30
    ),
    st.integers(1, 500),
)
def test_whatever_was_measured_the_answer_is_in_order(
    measured: list[tuple[int, float]], batch: int
) -> None:
    found = forecast([point(*each) for each in measured], batch, target=0.9)
    if found.reason:
        return
    for each in (found.score, found.gain, found.plateau):
        _, low, high = known(each)
        assert low <= high
    assert known(found.gain)[1] >= -1e-12
    assert max(known(found.plateau)) <= 1 + 1e-9
    left = found.labels_to_target
    assert left is not None
    low, high = (np.inf if each is None else each for each in (left.low, left.high))
    assert 0 <= low <= high
