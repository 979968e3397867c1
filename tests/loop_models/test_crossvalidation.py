"""How labels are split where they are few, and how the folds become one evaluation."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.loop.crossvalidation import crossvalidation_folds, is_needed, merged
from limner.loop.seeds import derived_seed
from limner.plugin import Evaluation

# No deadline: a busy machine is no failure.
quick = settings(max_examples=40, deadline=None)
label_sets = st.sets(st.integers(min_value=1, max_value=10_000), min_size=2, max_size=30)


@quick
@given(label_sets, st.integers(min_value=0, max_value=2**31 - 1))
def test_every_label_is_scored_once_by_a_training_that_did_not_see_it(
    labels: set[int], seed: int
) -> None:
    folds = crossvalidation_folds(sorted(labels), seed)
    scored = [label for fold in folds for label in fold.held_out]
    assert sorted(scored) == sorted(labels)
    for fold in folds:
        assert set(fold.train) | set(fold.held_out) == labels
        assert not set(fold.train) & set(fold.held_out)
    sizes = [len(fold.held_out) for fold in folds]
    assert max(sizes) - min(sizes) <= 1


@quick
@given(label_sets, st.data())
def test_labels_that_are_not_scored_are_learnt_from_in_every_fold(
    labels: set[int], data: st.DataObject
) -> None:
    scored = data.draw(st.sets(st.sampled_from(sorted(labels)), max_size=len(labels) - 1))
    folds = crossvalidation_folds(sorted(labels), 0, hold_out=sorted(scored))
    assert sorted(label for fold in folds for label in fold.held_out) == sorted(scored)
    for fold in folds:
        assert labels - scored <= set(fold.train)


@quick
@given(label_sets, st.randoms())
def test_the_split_hangs_on_the_seed_and_not_on_the_order(labels: set[int], random: Random) -> None:
    shuffled = sorted(labels)
    random.shuffle(shuffled)
    assert crossvalidation_folds(shuffled, 5) == crossvalidation_folds(sorted(labels), 5)


def test_one_label_cannot_be_cross_validated() -> None:
    assert crossvalidation_folds([7], 0) == ()


def test_one_new_label_among_old_ones_makes_one_fold() -> None:
    (fold,) = crossvalidation_folds([1, 2, 3], 0, hold_out=[3])
    assert fold.train == (1, 2)
    assert fold.held_out == (3,)


@pytest.mark.parametrize(
    ("train", "validation", "expected"),
    [(7, 2, True), (8, 2, False), (12, 1, True), (0, 12, True), (50, 10, False)],
)
def test_cross_validation_is_for_fewer_than_ten_labels_or_no_validation_set(
    train: int, validation: int, expected: bool
) -> None:
    assert is_needed(range(train), range(validation)) is expected


def test_merged_folds_hold_every_case_and_means_weighted_by_cases() -> None:
    first = Evaluation(
        measure="dice", case_scores={"a": 0.5, "b": 0.7}, class_scores={"x": 0.6, "y": 0.2}
    )
    second = Evaluation(measure="dice", case_scores={"c": 0.9}, class_scores={"x": 0.9})
    both = merged([first, second])
    assert both.case_scores == {"a": 0.5, "b": 0.7, "c": 0.9}
    assert both.class_scores == pytest.approx({"x": 0.7, "y": 0.2})


def test_a_score_that_is_no_number_survives_merging() -> None:
    first = Evaluation(measure="dice", case_scores={"a": 0.5}, class_scores={"x": math.nan})
    second = Evaluation(measure="dice", case_scores={"c": 0.9}, class_scores={"x": 0.9})
    assert math.isnan(merged([first, second]).class_scores["x"])


def test_evaluations_of_two_measures_cannot_be_merged() -> None:
    first = Evaluation(measure="dice", case_scores={"a": 0.5}, class_scores={})
    second = Evaluation(measure="auc", case_scores={"c": 0.9}, class_scores={})
    with pytest.raises(ValueError, match="one measure"):
        merged([first, second])


def test_derived_seeds_differ_by_purpose_and_number_and_never_change() -> None:
    seeds = {derived_seed(0, "train", n) for n in range(100)}
    seeds |= {derived_seed(0, "pick", n) for n in range(100)}
    assert len(seeds) == 200
    assert derived_seed(0, "train", 1) == 215_665_574


def test_what_guessing_has_and_what_few_cases_cannot_tell_are_averaged_over_the_folds() -> None:
    folds = [
        Evaluation(
            measure="log_score",
            case_scores=dict.fromkeys(names, 0.5),
            class_scores={},
            class_tolerances={"rare": tolerance},
            chance=chance,
        )
        for names, tolerance, chance in (("abc", 0.2, 0.6), ("d", 1.0, 0.8))
    ]
    together = merged(folds)
    assert together.chance == pytest.approx(0.65)
    assert together.class_tolerances == {"rare": pytest.approx(0.4)}


def test_weights_of_cases_are_kept_and_a_fold_without_any_counts_its_cases_alike() -> None:
    weighted = Evaluation(
        measure="log_score",
        case_scores={"a": 0.5, "b": 0.5},
        class_scores={},
        case_weights={"a": 0.4, "b": 1.6},
    )
    plain = Evaluation(measure="log_score", case_scores={"c": 0.5}, class_scores={})
    assert merged([weighted, plain]).case_weights == {"a": 0.4, "b": 1.6, "c": 1.0}
    assert merged([plain]).case_weights == {}
