"""ClaSP PE: classes in turn, the most unsure for the rest, noise that fades."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.strategies.rows import picked, pool_of, random_pool

from limner_strategies.clasp import OVERALL, Clasp, clasp_rows, fading_beta

NO_NOISE = 1e12


def test_without_noise_the_lists_are_followed_in_turn() -> None:
    random = np.random.default_rng(1)
    by_class, entropy = random.random((40, 3)), random.random(40)
    rows, classes = clasp_rows(
        by_class.astype(np.float32), entropy.astype(np.float32), np.arange(40), 12, 0, 0.5, NO_NOISE
    )
    taken: set[int] = set()
    for row, index in zip(rows.tolist(), classes.tolist(), strict=True):
        scores = entropy if index == OVERALL else by_class[:, index]
        assert row == next(each for each in np.argsort(-scores) if each not in taken)
        taken.add(row)
    assert len(taken) == 12


@pytest.mark.parametrize("share", [0.0, 0.5, 0.66, 1.0])
def test_any_number_of_first_picks_holds_its_share_evenly_over_the_classes(share: float) -> None:
    random = np.random.default_rng(2)
    by_class = random.random((60, 4)).astype(np.float32)
    entropy = random.random(60).astype(np.float32)
    _, classes = clasp_rows(by_class, entropy, np.arange(60), 30, 3, share, 1.0)
    for count in range(1, 31):
        counts = np.bincount(classes[:count] + 1, minlength=5)
        assert counts[1:].sum() == math.floor(share * count)
        assert counts[1:].max() - counts[1:].min() <= 1


def test_the_first_round_holds_every_class() -> None:
    rare = np.full((200, 3), 0.01)
    rare[7, 2] = 0.02
    pool = pool_of(200, class_scores=rare, scores={"entropy": np.linspace(0.1, 0.9, 200)}, round=1)
    reasons = [pick.reason for pick in Clasp().pick(pool, 6, 0)]
    for index in (1, 2, 3):
        assert any(f"class {index} " in reason for reason in reasons)


def test_the_noise_fades_over_the_rounds_and_is_gone_at_the_last() -> None:
    assert [fading_beta(each, 5) for each in (1, 3, 5, 9)] == pytest.approx([1, 10, 100, 100])
    overlaps = []
    for promoted in (1, 5):
        pool = random_pool(4, 300, rounds=5, share=0.0)
        object.__setattr__(pool, "round", promoted)
        best = set(np.argsort(-pool.scores["entropy"])[:30].tolist())
        overlaps.append(np.mean([len(best & set(picked(Clasp(), pool, 30, s))) for s in range(20)]))
    assert overlaps[0] < 0.5 * overlaps[1]
    assert overlaps[1] > 20


def test_power_noise_draws_in_proportion_to_the_score() -> None:
    entropy = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    nothing = np.zeros((4, 0), np.float32)
    drawn = [
        int(clasp_rows(nothing, entropy, np.arange(4) + 10 * seed, 1, seed, 0.0, 1.0)[0][0])
        for seed in range(4000)
    ]
    counts, expected = np.bincount(drawn, minlength=4), 4000 * entropy
    assert ((counts - expected) ** 2 / expected).sum() < 16.3  # chi-square, 3 d.f., p = 0.001


def test_the_order_of_the_classes_decides_nothing_but_their_turns() -> None:
    random = np.random.default_rng(6)
    by_class, entropy = random.random((50, 3)), random.random(50).astype(np.float32)
    found = []
    for order in ([0, 1, 2], [2, 0, 1]):
        rows, _ = clasp_rows(
            by_class[:, order].astype(np.float32), entropy, np.arange(50), 9, 0, 1.0, NO_NOISE
        )
        found.append(set(rows.tolist()))
    # Three of each class, whichever has the first turn.
    assert len(found[0] & found[1]) >= 7


def test_without_classes_entropy_decides_and_the_reason_says_so() -> None:
    picks = Clasp().pick(pool_of(3, scores={"entropy": [0.1, 0.9, 0.5]}), 3, 0)
    assert [pick.index for pick in picks] == [1, 2, 0]
    assert all(pick.reason.startswith("the model says nothing of classes, so ") for pick in picks)
