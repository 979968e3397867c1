"""Ranking by a score, and what happens where the app does not give it."""

from __future__ import annotations

import numpy as np
import pytest
from tests.strategies.rows import picked, pool_of

from limner.plugin import Need
from limner_strategies import uncertainty
from limner_strategies.uncertainty import (
    Bald,
    Disagreement,
    Entropy,
    LeastConfidence,
    Margin,
    MaskAL,
    Variance,
    VariationRatio,
)

OWN = [
    (Entropy, "entropy"),
    (Margin, "margin"),
    (LeastConfidence, "least_confidence"),
    (Bald, "bald"),
    (VariationRatio, "variation_ratio"),
    (Variance, "variance"),
    (Disagreement, "dice_disagreement"),
    (Disagreement, "partition_disagreement"),
    (MaskAL, "maskal"),
]


@pytest.mark.parametrize(("make", "name"), OWN)
def test_the_highest_of_its_score_come_first(make, name: str) -> None:  # type: ignore[no-untyped-def]
    random = np.random.default_rng(3)
    values, other = random.random(50), random.random(50)
    pool = pool_of(50, scores={name: values} | ({} if name == "entropy" else {"entropy": other}))
    picks = make().pick(pool, 7, 0)
    assert [pick.index for pick in picks] == np.argsort(-values)[:7].tolist()
    assert [pick.score for pick in picks] == pytest.approx(np.sort(values)[::-1][:7], abs=1e-6)
    assert f"{picks[0].score:.2f} of 1" in picks[0].reason
    assert "the app gives no" not in picks[0].reason


def test_entropy_says_how_unsure_the_model_is() -> None:
    picks = Entropy().pick(pool_of(4, scores={"entropy": [0.1, 0.41, 0.3, 0.9]}), 3, 0)
    assert [pick.index for pick in picks] == [3, 1, 2]
    assert picks[1].reason == "the model is least sure here: entropy 0.41 of 1"


@pytest.mark.parametrize("make", [Bald, VariationRatio, Variance, Disagreement, MaskAL])
def test_where_the_score_is_absent_entropy_decides_and_the_reason_says_so(make) -> None:  # type: ignore[no-untyped-def]
    pool = pool_of(3, scores={"entropy": [0.1, 0.9, 0.5]})
    picks = make().pick(pool, 3, 0)
    assert [pick.index for pick in picks] == [1, 2, 0]
    assert all(pick.reason.startswith("the app gives no ") for pick in picks)
    assert all("set its option samples above 0" in pick.reason for pick in picks)
    assert all("so entropy decides: " in pick.reason for pick in picks)


def test_without_entropy_either_the_draw_is_random_and_says_so() -> None:
    pool = pool_of(30, scores={"of_another_kind": np.linspace(0, 1, 30)})
    orders = [picked(Bald(), pool, 30, seed) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    reason = Bald().pick(pool, 1, 1)[0].reason
    assert reason.startswith("the app gives no bald (set its option samples above 0)")
    assert reason.endswith("drawn at random")


def test_undescribed_rows_follow_in_an_order_that_the_seed_decides() -> None:
    pool = pool_of(42, scores={"entropy": [float("nan")] * 40 + [0.0, 0.5]})
    orders = [picked(Entropy(), pool, 42, seed) for seed in (1, 1, 2)]
    assert orders[0][:2] == [41, 40]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert "not looked at it yet" in Entropy().pick(pool, 3, 1)[2].reason


def test_rows_described_before_the_score_was_asked_for_come_after_those_that_have_it() -> None:
    nan = float("nan")
    scores = {"entropy": [0.9, 0.1, 0.2, nan], "bald": [nan, 0.3, 0.1, nan]}
    picks = Bald().pick(pool_of(4, scores=scores), 4, 0)
    assert [pick.index for pick in picks] == [1, 2, 0, 3]
    assert "has not given this score yet" in picks[2].reason
    assert "not looked at it yet" in picks[3].reason


def test_equal_scores_are_not_picked_in_the_order_of_arrival() -> None:
    places = picked(Entropy(), pool_of(50, scores={"entropy": [0.5] * 50}), 10, 3)
    assert places != sorted(places)
    assert max(places) >= 25


def test_the_option_batch_draws_and_the_reason_says_how() -> None:
    scores = {"entropy": np.linspace(0.01, 1, 100)}
    top = picked(Entropy(), pool_of(100, scores=scores), 10)
    assert top == list(range(99, 89, -1))
    options = {"batch": "power", "beta": 1.0}
    drawn = [picked(Entropy(), pool_of(100, scores=scores, options=options), 10, s) for s in (1, 2)]
    assert drawn[0] != drawn[1] != top
    pick = Entropy().pick(pool_of(100, scores=scores, options=options), 1, 0)[0]
    assert pick.reason.endswith("; drawn by power sampling")


def test_every_one_needs_scores_alone_and_has_the_same_options() -> None:
    for manifest in uncertainty.manifests:
        assert manifest.needs == {Need.SCORES}
        assert set(manifest.options) == {"batch", "beta"}
