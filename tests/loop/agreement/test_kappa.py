"""Kappa against scikit-learn's, and against the example of Fleiss' own paper's kind by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from limner.loop.agreement import class_fleiss, class_kappa, cohen_kappa, fleiss_kappa


@pytest.mark.parametrize("seed", range(5))
def test_cohens_kappa_is_that_of_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    first = random.integers(0, 3, 40)
    second = np.where(random.random(40) < 0.7, first, random.integers(0, 3, 40))
    expected = cohen_kappa_score(first, second)
    assert cohen_kappa(first.tolist(), second.tolist()) == pytest.approx(expected)


def test_with_one_category_kappa_says_nothing() -> None:
    assert cohen_kappa(["a"] * 5, ["a"] * 5) is None
    assert fleiss_kappa([["a", "a"], ["a", "a"]]) is None
    assert cohen_kappa([], []) is None
    assert fleiss_kappa([["a"], []]) is None


def test_fleiss_kappa_by_hand() -> None:
    # 14 raters, 10 items, 5 categories: the table by which the measure is mostly explained.
    table = [
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    ratings = [[name for name, n in enumerate(row) for _ in range(n)] for row in table]
    assert fleiss_kappa(ratings) == pytest.approx(0.210, abs=5e-4)


def test_several_classes_an_image_are_questions_of_their_own() -> None:
    first = [("a",), ("a", "b"), (), ("b",)]
    second = [("a",), ("b", "a"), (), ()]
    by_name = [
        cohen_kappa_score([name in each for each in first], [name in each for each in second])
        for name in ("a", "b")
    ]
    found = class_kappa(first, second, ["a", "b", "never"], exclusive=False)
    assert found == pytest.approx(np.mean(by_name))
    pairs = list(zip(first, second, strict=True))
    assert class_fleiss(pairs, ["a", "b"], exclusive=False) is not None


def test_classes_that_exclude_each_other_are_one_question() -> None:
    first, second = [("a",), ("b",), ("a",)], [("a",), ("b",), ("b",)]
    expected = cohen_kappa_score(["a", "b", "a"], ["a", "b", "b"])
    assert class_kappa(first, second, ["a", "b"], exclusive=True) == pytest.approx(expected)
    assert class_fleiss([[("a",), ("a",)], [("b",), ("b",)]], ["a", "b"], exclusive=True) == 1.0
