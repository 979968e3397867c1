"""Strategies over embeddings: each against its definition, written plainly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering, KMeans
from tests.strategies.rows import picked, pool_of, random_pool

from limner_strategies.badge import Badge, badge_rows, gradient_distances, probabilities, residuals
from limner_strategies.clue import Clue, closest, middle_rows
from limner_strategies.cluster_margin import ClusterMargin, round_robin
from limner_strategies.clustering import average_linkage, k_means
from limner_strategies.core_set import CoreSet, k_centre
from limner_strategies.prob_cover import ProbCover, cover, covering, pure_radius
from limner_strategies.typiclust import TypiClust, typical_rows, typicality
from limner_strategies.uncertain_then_diverse import UncertainThenDiverse, diverse_rows


def points(seed: int, count: int, length: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, length)).astype(np.float32)


def blobs(seed: int, sizes: tuple[int, ...], apart: float = 30.0) -> np.ndarray:
    """Tight groups of points, far from each other."""
    random = np.random.default_rng(seed)
    centres = np.repeat(np.arange(len(sizes)), sizes)[:, None] * np.array([apart, -apart])
    return np.asarray(random.normal(size=centres.shape) + centres, np.float32)


def apart(some: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(some[:, None].astype(float) - some[None], axis=-1))


# k-means and average linkage


def test_k_means_finds_groups_whatever_the_order_of_the_points() -> None:
    some, ids = blobs(1, (30, 20, 10)), np.arange(60)
    order = np.random.default_rng(2).permutation(60)
    centres = [k_means(some, ids, 3, 7), k_means(some[order], ids[order], 3, 7)]
    assert np.array_equal(centres[0], centres[1])
    means = [some[:30].mean(0), some[30:50].mean(0), some[50:].mean(0)]
    assert np.sort(centres[0], axis=0) == pytest.approx(np.sort(means, axis=0), abs=1e-4)


def test_k_means_is_as_good_as_scikit_learn_s() -> None:
    some = points(3, 400, 5)
    centres = k_means(some, np.arange(400), 8, 1)
    ours = (np.linalg.norm(some[:, None] - centres, axis=-1).min(axis=1) ** 2).sum()
    theirs = KMeans(8, n_init=10, random_state=0).fit(some).inertia_
    assert ours < 1.1 * theirs


def test_fewer_points_that_differ_give_fewer_clusters() -> None:
    some = np.repeat(points(1, 3), 10, axis=0)
    centres = k_means(some, np.arange(30), 8, 0)
    assert len(centres) == 3
    assert np.sort(centres, axis=0) == pytest.approx(np.sort(points(1, 3), axis=0), abs=1e-5)


def test_points_of_no_weight_move_no_centre() -> None:
    some = blobs(1, (20, 20))
    weights = np.repeat([1.0, 0.0], 20)
    centre = k_means(some, np.arange(40), 1, 0, weights)
    assert centre[0] == pytest.approx(some[:20].mean(axis=0), abs=1e-4)
    assert len(k_means(some, np.arange(40), 2, 0, np.zeros(40))) == 2


def test_average_linkage_is_scikit_learn_s_numbered_by_the_first_point() -> None:
    some = points(5, 40)
    labels = average_linkage(some, 6)
    theirs = AgglomerativeClustering(6, linkage="average").fit_predict(some)
    same = labels[:, None] == labels
    assert np.array_equal(same, theirs[:, None] == theirs)
    assert list(dict.fromkeys(labels.tolist())) == list(range(6))
    assert average_linkage(some[:1], 3).tolist() == [0]
    assert sorted(average_linkage(some[:3], 9).tolist()) == [0, 1, 2]


# Core-set


def test_k_centre_takes_the_farthest_again_and_again() -> None:
    some, covered = points(1, 30), points(2, 4)
    rows, distances = k_centre(some, covered, np.arange(30), 8, 0)
    there = [*covered]
    for row, distance in zip(rows, distances, strict=True):
        least = np.linalg.norm(some[:, None] - np.array(there), axis=-1).min(axis=1)
        assert row == least.argmax()
        assert distance == pytest.approx(least.max(), abs=1e-4)
        there.append(some[row])


def test_core_set_is_scikit_activeml_s_k_greedy_centre() -> None:
    from skactiveml.pool import k_greedy_center

    every = points(4, 25)
    labels = np.full(25, np.nan)
    labels[[3, 8]] = 0
    theirs, _ = k_greedy_center(every, labels, batch_size=6, random_state=0)
    others = np.setdiff1d(np.arange(25), [3, 8])
    ours, _ = k_centre(every[others], every[[3, 8]], others, 6, 0)
    assert others[ours].tolist() == np.asarray(theirs).tolist()


def test_core_set_visits_every_group_before_it_returns_to_one() -> None:
    some = blobs(2, (40, 5, 5, 5))
    pool = pool_of(55, embedding=some, labelled_embedding=some[:1])
    groups = np.repeat([0, 1, 2, 3], [40, 5, 5, 5])
    assert set(groups[picked(CoreSet(), pool, 3)]) == {1, 2, 3}


# BADGE


def test_gradient_distances_are_those_of_the_formed_gradients() -> None:
    random = np.random.default_rng(3)
    p = random.dirichlet(np.ones(4), 20).astype(np.float32)
    a, z = residuals(p), points(4, 20, 6)
    gradients = (a[:, :, None] * z[:, None, :]).reshape(20, -1)
    expected = ((gradients[:, None] - gradients[None]) ** 2).sum(-1)
    for row in range(20):
        assert gradient_distances(a, z, row) == pytest.approx(expected[row], abs=1e-4)


def test_residuals_are_the_probabilities_less_one_at_the_largest() -> None:
    assert residuals(np.array([[0.2, 0.7, 0.1]], np.float32))[0] == pytest.approx([0.2, -0.3, 0.1])
    with_background = np.array([[0.5, 0.3, 0.2]], np.float32)
    assert probabilities(with_background)[0] == pytest.approx([0.5, 0.3, 0.2])
    assert probabilities(np.array([[0, 0.9, 0.3]], np.float32))[0] == pytest.approx([0.75, 0.25])


def test_badge_draws_in_proportion_to_the_squared_distance() -> None:
    a, z = np.ones((4, 1), np.float32), np.array([[9.0], [0], [1], [3]], np.float32)
    # The first is the longest gradient, row 0; then rows 1, 2, 3 by 81, 64 and 36.
    drawn = [badge_rows(a, z, np.arange(4) + 100 * seed, 2, seed)[0] for seed in range(3000)]
    assert {int(rows[0]) for rows in drawn} == {0}
    counts = np.bincount([int(rows[1]) for rows in drawn], minlength=4)[1:]
    expected = 3000 * np.array([81, 64, 36]) / 181
    assert ((counts - expected) ** 2 / expected).sum() < 13.8  # chi-square, 2 d.f., p = 0.001


def test_badge_spreads_over_groups_that_the_model_is_unsure_of() -> None:
    some = blobs(7, (60, 10, 10))
    fractions = np.zeros((80, 3))
    fractions[:, 1] = np.repeat([0.999, 0.6, 0.6], [60, 10, 10])
    fractions[:, 2] = 1 - fractions[:, 1]
    groups = np.repeat([0, 1, 2], [60, 10, 10])
    found = groups[picked(Badge(), pool_of(80, embedding=some, class_fractions=fractions), 4)]
    assert {1, 2} <= set(found)


# TypiClust


def test_typicality_is_one_over_the_mean_distance_to_the_nearest() -> None:
    some = points(6, 60)
    distances = np.sort(apart(some), axis=1)[:, 1:21]
    assert typicality(some) == pytest.approx(1 / (distances.mean(axis=1) + 1e-5), rel=1e-3)


def test_typiclust_takes_the_most_typical_of_each_group_without_a_label() -> None:
    some = blobs(8, (40, 30, 20, 10))
    groups = np.repeat([0, 1, 2, 3], [40, 30, 20, 10])
    rows, _ = typical_rows(some, some[:0], np.arange(100), 4, 0, 4)
    assert groups[rows].tolist() == [0, 1, 2, 3]  # the largest cluster first
    for row, group in zip(rows, range(4), strict=True):
        members = np.flatnonzero(groups == group)
        assert row == members[typicality(some[members]).argmax()]
    labelled = some[[0, 1, 45]]
    rows, _ = typical_rows(some, labelled, np.arange(100), 2, 0, 1)
    assert set(groups[rows]) == {2, 3}


def test_typiclust_leaves_small_clusters_for_last() -> None:
    some = blobs(9, (30, 3, 20))
    groups = np.repeat([0, 1, 2], [30, 3, 20])
    rows, _ = typical_rows(some, some[:0], np.arange(53), 3, 0, 3)
    assert groups[rows].tolist()[:2] == [0, 2]


def test_typiclust_picks_the_clusters_that_scikit_activeml_s_does() -> None:
    from skactiveml.pool import TypiClust as Theirs

    some = blobs(10, (40, 30, 20))
    groups = np.repeat([0, 1, 2], [40, 30, 20])
    theirs = Theirs(random_state=0).query(some, np.full(90, np.nan), batch_size=3)
    ours = picked(TypiClust(), pool_of(90, embedding=some, options={"per_round": 3}), 3)
    assert set(groups[ours]) == set(groups[theirs]) == {0, 1, 2}


def test_the_first_picks_of_typiclust_cover_more_evenly_than_random_ones() -> None:
    some = blobs(11, (300, 25, 25, 25))
    groups = np.repeat([0, 1, 2, 3], [300, 25, 25, 25])
    for seed in range(5):
        pool = pool_of(375, embedding=some, options={"per_round": 8})
        assert len(set(groups[picked(TypiClust(), pool, 8, seed)])) == 4


# ProbCover


def test_cover_takes_what_covers_most_of_what_is_left() -> None:
    some = points(12, 40, 2)
    covers = covering(some.astype(float), 0.7)
    assert np.array_equal(covers, apart(some) < 0.7)
    is_labelled = np.arange(40) >= 37
    rows, gains = cover(covers, is_labelled, np.arange(40), 6, 0)
    there = covers[is_labelled].any(axis=0)
    for row, gain in zip(rows, gains, strict=True):
        left = (covers & ~there).sum(axis=1)
        left[is_labelled] = -1
        assert gain == left[row] == left.max()
        there |= covers[row]


def test_the_radius_is_the_largest_with_pure_balls() -> None:
    some, clusters = points(13, 50, 2).astype(float), np.arange(50) % 3
    distances = apart(some)
    radius = pure_radius(some, clusters, 0.9)

    def purity(delta: float) -> float:
        balls = distances < delta
        return float(np.mean([len(set(clusters[ball])) == 1 for ball in balls]))

    assert purity(radius) >= 0.9
    assert purity(radius * 1.001 + 1e-6) < 0.9
    assert pure_radius(some, np.zeros(50, int), 0.9) == np.inf


def test_prob_cover_s_choice_is_scikit_activeml_s() -> None:
    from skactiveml.pool import ProbCover as Theirs

    some = blobs(14, (30, 20, 10))
    groups = np.repeat([0, 1, 2], [30, 20, 10])
    theirs = Theirs(n_classes=3, random_state=0).query(some, np.full(60, np.nan), batch_size=3)
    ours = picked(ProbCover(), pool_of(60, embedding=some, options={"clusters": 3}), 3)
    assert groups[ours].tolist() == groups[theirs].tolist() == [0, 1, 2]


# CLUE


def test_closest_are_the_nearest_rows_of_each_centre() -> None:
    some, centres = points(15, 50), points(16, 4)
    rows, squared = closest(some, centres, 5)
    distances = np.linalg.norm(centres[:, None] - some, axis=-1)
    assert np.array_equal(rows, np.argsort(distances, axis=1)[:, :5])
    assert np.sqrt(squared) == pytest.approx(np.sort(distances, axis=1)[:, :5], abs=1e-4)


def test_the_middles_go_round_the_centres_and_take_none_twice() -> None:
    some = np.array([[0.0], [0.1], [5.0], [5.3]], np.float32)
    rows = middle_rows(some, np.array([[0.0], [5.0]], np.float32), np.array([1, 0]), 4)
    assert rows.tolist() == [2, 0, 3, 1]


def test_clue_lies_in_the_middle_of_what_is_unsure() -> None:
    some = blobs(17, (50, 20, 20))
    entropy = np.repeat([0.0, 0.9, 0.9], [50, 20, 20])
    pool = pool_of(90, embedding=some, scores={"entropy": entropy}, options={"per_round": 2})
    groups = np.repeat([0, 1, 2], [50, 20, 20])
    rows = picked(Clue(), pool, 2)
    assert set(groups[rows]) == {1, 2}
    for row in rows:
        members = np.flatnonzero(groups == groups[row])
        distances = np.linalg.norm(some[members] - some[members].mean(axis=0), axis=1)
        assert row == members[distances.argmin()]


# Cluster-margin


def test_the_round_begins_with_the_smallest_cluster() -> None:
    clusters = np.array([0, 0, 0, 1, 2, 2])
    places = round_robin(clusters, np.arange(6), 6, 3)
    assert clusters[places].tolist() == [1, 2, 0, 2, 0, 0]
    assert sorted(places.tolist()) == list(range(6))


def test_cluster_margin_takes_close_calls_of_different_clusters() -> None:
    some = blobs(18, (60, 15, 15))
    margin = np.repeat([0.1, 0.9, 0.8], [60, 15, 15])
    options = {"per_round": 4, "shortlist": 5}
    pool = pool_of(90, embedding=some, scores={"margin": margin}, options=options)
    groups = np.repeat([0, 1, 2], [60, 15, 15])
    found = groups[picked(ClusterMargin(), pool, 4)]
    assert set(found) == {1, 2}


# Uncertain, then diverse


def test_the_shortlist_is_the_highest_and_what_is_taken_is_far_apart() -> None:
    random = np.random.default_rng(19)
    keys, some, labelled = random.random(80), points(20, 80), points(21, 3)
    rows = diverse_rows(keys, some, labelled, np.arange(80), 4, 0, 4, 5)
    shortlist = np.argsort(-keys)[:20]
    assert set(rows.tolist()) <= set(shortlist.tolist())
    there = [*labelled]
    for row in rows:
        least = np.linalg.norm(some[shortlist][:, None] - np.array(there), axis=-1).min(axis=1)
        assert row == shortlist[least.argmax()]
        there.append(some[row])


def test_copies_of_one_unsure_image_are_not_all_taken() -> None:
    some = np.concatenate([np.repeat([[9.0, 9.0]], 20, axis=0), points(22, 40, 2)])
    entropy = np.concatenate([np.full(20, 0.99), np.linspace(0.5, 0.9, 40)])
    options = {"per_round": 10, "kappa": 5, "noise": False}
    pool = pool_of(60, embedding=some, scores={"entropy": entropy}, options=options)
    assert sum(row < 20 for row in picked(UncertainThenDiverse(), pool, 10)) == 1


# All of them


@pytest.mark.parametrize(
    "make", [CoreSet, Badge, TypiClust, ProbCover, Clue, ClusterMargin, UncertainThenDiverse]
)
def test_a_linear_change_of_every_dimension_changes_nothing(make) -> None:  # type: ignore[no-untyped-def]
    pool = random_pool(23, 60)
    assert pool.embedding is not None
    assert pool.labelled_embedding is not None
    scale, shift = np.array([8.0, 0.25, 2.0, 4.0], np.float32), np.float32(16.0)
    other = replace(
        pool,
        embedding=pool.embedding * scale + shift,
        labelled_embedding=pool.labelled_embedding * scale + shift,
    )
    assert picked(make(), pool, 12, 5) == picked(make(), other, 12, 5)
