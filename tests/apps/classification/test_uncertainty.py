from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner_apps.classification.uncertainty import (
    class_fractions,
    class_uncertainty,
    point_scores,
    sampled_scores,
)


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


@pytest.mark.parametrize("exclusive", [True, False])
def test_certainty_is_zero_and_indecision_one(exclusive: bool) -> None:
    undecided = floats(0.25, 0.25, 0.25, 0.25) if exclusive else floats(0.5, 0.5)
    certain = floats(0, 1, 0, 0)
    assert set(point_scores(certain, exclusive).values()) == {0.0}
    assert point_scores(undecided, exclusive) == pytest.approx(
        {"entropy": 1.0, "margin": 1.0, "least_confidence": 1.0}
    )


def test_one_exclusive_class_is_never_uncertain() -> None:
    assert set(point_scores(floats(1.0), True).values()) == {0.0}
    assert set(sampled_scores(np.ones((5, 1), dtype=np.float32), True).values()) == {0.0}


def test_entropy_of_several_classes_is_the_mean_of_their_own() -> None:
    p = floats(0.1, 0.5, 0.9)
    own = class_uncertainty(p)
    assert own == pytest.approx([0.468996, 1.0, 0.468996], abs=1e-5)
    assert point_scores(p, False)["entropy"] == pytest.approx(own.mean())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), classes=st.integers(1, 6), exclusive=st.booleans())
def test_every_number_is_in_zero_to_one(seed: int, classes: int, exclusive: bool) -> None:
    random = np.random.default_rng(seed)
    samples = random.dirichlet(np.full(classes, 0.3), size=7).astype(np.float32)
    if not exclusive:
        samples = random.random((7, classes)).astype(np.float32)
    scores = point_scores(samples[0], exclusive) | sampled_scores(samples, exclusive)
    assert all(0 <= score <= 1 for score in scores.values())
    fractions = class_fractions(samples[0], exclusive)
    assert fractions.shape == (1 + classes,)
    assert fractions.sum() == pytest.approx(1.0, abs=1e-5)
    assert fractions.min() >= 0
    uncertain = class_uncertainty(samples[0])
    assert uncertain.min() >= 0
    assert uncertain.max() <= 1


def test_for_two_exclusive_classes_the_scores_rank_alike() -> None:
    p = np.random.default_rng(0).random(100)
    rows = [point_scores(floats(each, 1 - each), True) for each in p]
    orders = [np.argsort([row[name] for row in rows]) for name in rows[0]]
    assert (orders[0] == orders[1]).all()
    assert (orders[1] == orders[2]).all()


def test_samples_that_agree_have_no_information_to_gain_however_unsure() -> None:
    same = np.tile(floats(0.5, 0.5), (6, 1))
    split = np.stack([floats(1, 0), floats(0, 1)] * 3)
    assert sampled_scores(same, True) == pytest.approx(
        {"bald": 0.0, "variation_ratio": 0.0, "variance": 0.0}
    )
    assert sampled_scores(split, True) == pytest.approx(
        {"bald": 1.0, "variation_ratio": 0.5, "variance": 0.5}
    )
    assert sampled_scores(split, False)["bald"] == pytest.approx(1.0)


def test_background_is_what_no_class_has() -> None:
    assert class_fractions(floats(0.2, 0.8), True) == pytest.approx([0.0, 0.2, 0.8])
    nothing = class_fractions(floats(0.0, 0.0), False)
    assert nothing == pytest.approx([1.0, 0.0, 0.0])
    both = class_fractions(floats(0.5, 0.5), False)
    assert both == pytest.approx([0.2, 0.4, 0.4])
