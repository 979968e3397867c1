"""Random, first, stratified and foreground-aware draws, beside what every strategy must do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.strategies.rows import picked, pool_of

from limner.plugin import Pool
from limner_strategies import first, random_order
from limner_strategies.first import First
from limner_strategies.foreground import ANYWHERE, Foreground, foreground_rows
from limner_strategies.random_order import RandomOrder, random_rows
from limner_strategies.ranking import best, highest
from limner_strategies.stratified import Stratified, stratified_rows

PROPERTY = settings(derandomize=True, database=None, deadline=None)


@PROPERTY
@given(
    levels=st.lists(st.sampled_from([0.0, 0.25, 0.5, float("nan")]), max_size=30),
    count=st.integers(0, 35),
    seed=st.integers(0, 9),
)
def test_the_best_few_are_the_beginning_of_the_whole_order(
    levels: list[float], count: int, seed: int
) -> None:
    scores, ids = np.array(levels, np.float32), np.arange(len(levels))
    whole = highest(scores, ids, len(levels), seed)
    assert highest(scores, ids, count, seed).tolist() == whole[:count].tolist()
    known = np.nan_to_num(scores[whole], nan=-1.0)
    assert (np.diff(known) <= 0).all()
    if levels and not np.isnan(scores).any():
        assert best(scores, ids, seed) == whole[0]


def test_first_picks_the_lowest_ids_wherever_their_rows_are() -> None:
    picks = First().pick(Pool(ids=np.array([30, 10, 40, 20])), 3, 5)
    assert [pick.index for pick in picks] == [1, 3, 0]
    assert [pick.score for pick in picks] == sorted((p.score for p in picks), reverse=True)


def test_a_draw_goes_by_the_id_not_by_the_row() -> None:
    ids = np.arange(100, 160)
    order = ids[random_rows(ids, 60, 4)]
    turned = ids[::-1].copy()
    assert turned[random_rows(turned, 60, 4)].tolist() == order.tolist()
    left = np.delete(ids, np.flatnonzero(ids == order[0]))
    assert left[random_rows(left, 59, 4)].tolist() == order[1:].tolist()


def test_every_sample_is_drawn_equally_often() -> None:
    ids = np.arange(1, 21)
    firsts = np.array([ids[random_rows(ids, 1, seed)][0] for seed in range(2000)])
    counts = np.bincount(firsts, minlength=21)[1:]
    expected = 100
    # χ² with 19 degrees of freedom exceeds 43.8 once in a thousand; the seeds are fixed.
    assert ((counts - expected) ** 2 / expected).sum() < 43.8


def test_another_seed_draws_another_order() -> None:
    pool = Pool(ids=np.arange(50))
    assert picked(RandomOrder(), pool, 50, 0) != picked(RandomOrder(), pool, 50, 1)


def test_random_and_first_work_without_a_model() -> None:
    assert first.manifest.works_without_model
    assert random_order.manifest.works_without_model


STRATA = np.repeat([0, 1, 2], [70, 20, 10])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("proportional", [True, False])
def test_any_number_of_first_picks_holds_each_stratum_s_part(seed: int, proportional: bool) -> None:
    rows = stratified_rows(STRATA, np.arange(100), 100, seed, proportional)
    assert sorted(rows.tolist()) == list(range(100))
    parts = np.array([0.7, 0.2, 0.1]) if proportional else np.full(3, 1 / 3)
    for count in range(1, 28):  # until the smallest stratum runs out of its equal part
        taken = np.bincount(STRATA[rows[:count]], minlength=3)
        # Places a golden section apart: no interval is off by more than a few, whatever the count.
        assert (np.abs(taken - count * parts) <= 2.0).all()


def test_a_proportional_draw_favours_no_sample() -> None:
    ids = np.arange(20)
    strata = np.repeat([0, 1, 2], [12, 6, 2])
    drawn = [stratified_rows(strata, ids, 3, seed, True) for seed in range(2000)]
    counts = np.bincount(np.concatenate(drawn), minlength=20)
    # χ² with 19 degrees of freedom exceeds 43.8 once in a thousand; strata make it smaller still.
    assert ((counts - 300) ** 2 / 300).sum() < 43.8


def test_an_equal_draw_brings_rare_strata_early() -> None:
    embedding = np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], [90, 6, 4], axis=0)
    embedding = embedding + np.random.default_rng(0).normal(0, 0.1, embedding.shape)
    pool = pool_of(100, embedding=embedding, options={"draw": "equal", "clusters": 3})
    for seed in range(20):
        places = picked(Stratified(), pool, 6, seed)
        assert {0 if place < 90 else 1 if place < 96 else 2 for place in places} == {0, 1, 2}


def test_strata_by_class_are_the_largest_class_of_each_image() -> None:
    fractions = [[0.9, 0.1, 0.0]] * 8 + [[0.9, 0.0, 0.1]] * 2 + [[1.0, 0.0, 0.0]] * 2
    pool = pool_of(12, class_fractions=fractions, options={"strata": "classes", "draw": "equal"})
    picks = Stratified().pick(pool, 6, 1)
    sizes = [int(pick.reason.split("from ")[1].split()[0]) for pick in picks]
    assert set(sizes) == {2, 8}
    assert sizes.count(8) in (2, 3)  # as many as of each of the others, give or take one


def test_foreground_draws_a_class_then_an_image_by_how_much_of_it() -> None:
    fractions = np.array([[0.6, 0.0], [0.3, 0.0], [0.1, 0.0], [0.0, 0.2], [0.0, 0.2], [0.0, 0.0]])
    amounts = fractions.astype(np.float32)
    ids = np.arange(6)
    first_rows, first_classes = [], []
    for seed in range(6000):
        rows, classes = foreground_rows(amounts, ids, 1, seed, share=2 / 3)
        first_rows.append(rows[0])
        first_classes.append(classes[0])
    by_class = np.array([0.6, 0.3, 0.1, 0.5, 0.5, 0.0]) / 2
    expected = 6000 * (2 / 3 * by_class + 1 / 3 / 6)
    counts = np.bincount(first_rows, minlength=6)
    # χ² with 5 degrees of freedom exceeds 20.5 once in a thousand.
    assert ((counts - expected) ** 2 / expected).sum() < 20.5
    anywhere = np.mean(np.array(first_classes) == ANYWHERE)
    assert abs(anywhere - 1 / 3) < 0.03


def test_later_foreground_draws_are_in_proportion_to_what_is_left() -> None:
    amounts = np.array([[0.5], [0.3], [0.2]], np.float32)
    pairs = [
        tuple(foreground_rows(amounts, np.arange(3), 2, seed, share=1.0)[0].tolist())
        for seed in range(6000)
    ]
    p = amounts[:, 0].astype(float)
    for first_row in range(3):
        for second in {0, 1, 2} - {first_row}:
            expected = p[first_row] * p[second] / (1 - p[first_row])
            assert abs(pairs.count((first_row, second)) / 6000 - expected) < 0.025


def test_foreground_says_what_it_drew_by() -> None:
    fractions = [[0.8, 0.2, 0.0], [1.0, 0.0, 0.0]]
    pool = pool_of(2, class_fractions=fractions, options={"share": 1.0})
    first_pick, second_pick = Foreground().pick(pool, 2, 0)
    assert first_pick.index == 0
    assert first_pick.reason.endswith("how much the model sees of class 1: 20.0%")
    assert "from the whole pool" in second_pick.reason
