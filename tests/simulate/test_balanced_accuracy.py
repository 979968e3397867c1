"""Balanced accuracy, against cases worked out by hand."""

from __future__ import annotations

import pytest

from limner.simulate.balanced_accuracy import balanced_accuracy

NAMES = ("a", "b", "c")


def test_each_class_that_occurs_counts_alike_however_rare() -> None:
    true = [["a"]] * 8 + [["b"]] * 2
    found = [["a"]] * 8 + [["a"], ["b"]]
    assert balanced_accuracy(found, true, NAMES) == pytest.approx((1 + 0.5) / 2)


def test_who_always_says_the_commonest_class_has_one_over_their_number() -> None:
    true = [["a"]] * 8 + [["b"]] + [["c"]]
    assert balanced_accuracy([["a"]] * 10, true, NAMES) == pytest.approx(1 / 3)


def test_where_classes_do_not_exclude_each_other_yes_and_no_count_alike() -> None:
    true = [["a", "b"], ["a"], [], []]
    found = [["a"], ["a"], ["a"], []]
    # a: both yeses right, one of two noes; b: its yes is missed, its noes are right; c never occurs
    expected = ((1 + 1 / 2) / 2 + (0 + 1) / 2) / 2
    assert balanced_accuracy(found, true, NAMES, exclusive=False) == pytest.approx(expected)


def test_cases_that_say_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="says nothing"):
        balanced_accuracy([], [], NAMES)
    with pytest.raises(ValueError, match="2 cases were found, but 1 are known"):
        balanced_accuracy([["a"], ["b"]], [["a"]], NAMES)
