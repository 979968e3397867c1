"""Kappa against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from limner.loop.agreement import class_kappa, cohen_kappa


@pytest.mark.parametrize("seed", range(5))
def test_cohens_kappa_is_that_of_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    first = random.integers(0, 3, 40)
    second = np.where(random.random(40) < 0.7, first, random.integers(0, 3, 40))
    expected = cohen_kappa_score(first, second)
    assert cohen_kappa(first.tolist(), second.tolist()) == pytest.approx(expected)


def test_with_one_category_kappa_says_nothing() -> None:
    assert cohen_kappa(["a"] * 5, ["a"] * 5) is None
    assert cohen_kappa([], []) is None


def test_several_classes_an_image_are_questions_of_their_own() -> None:
    first = [("a",), ("a", "b"), (), ("b",)]
    second = [("a",), ("b", "a"), (), ()]
    by_name = [
        cohen_kappa_score([name in each for each in first], [name in each for each in second])
        for name in ("a", "b")
    ]
    found = class_kappa(first, second, ["a", "b", "never"], exclusive=False)
    assert found == pytest.approx(np.mean(by_name))


def test_classes_that_exclude_each_other_are_one_question() -> None:
    first, second = [("a",), ("b",), ("a",)], [("a",), ("b",), ("b",)]
    expected = cohen_kappa_score(["a", "b", "a"], ["a", "b", "b"])
    assert class_kappa(first, second, ["a", "b"], exclusive=True) == pytest.approx(expected)
