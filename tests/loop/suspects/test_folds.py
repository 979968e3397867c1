"""How the labels of a review are split."""

from __future__ import annotations

import pytest

from limner.loop.suspects import review_folds


def test_every_label_is_held_out_once_and_trains_the_others() -> None:
    folds = review_folds(dict.fromkeys(range(10), ""), 3, seed=1)
    assert sorted(each for fold in folds for each in fold.held_out) == list(range(10))
    assert sorted(len(fold.held_out) for fold in folds) == [3, 3, 4]
    for fold in folds:
        assert sorted([*fold.held_out, *fold.train]) == list(range(10))


def test_a_class_of_as_many_labels_as_folds_is_in_every_training() -> None:
    strata = {number: "rare" if number in (2, 5, 11) else "common" for number in range(20)}
    for seed in range(20):
        for fold in review_folds(strata, 3, seed):
            assert sum(strata[each] == "rare" for each in fold.train) == 2


def test_the_same_seed_splits_alike_and_another_one_differently() -> None:
    strata = dict.fromkeys(range(30), "")
    assert review_folds(strata, 3, 1) == review_folds(strata, 3, 1)
    assert review_folds(strata, 3, 1) != review_folds(strata, 3, 2)


@pytest.mark.parametrize("folds", [0, 1, 5])
def test_a_number_of_folds_that_cannot_be_is_refused(folds: int) -> None:
    with pytest.raises(ValueError, match="4 labels cannot be split"):
        review_folds(dict.fromkeys(range(4), ""), folds, 0)
