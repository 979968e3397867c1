"""Answers of any task as plain arrays: to compare them, to copy them, to send them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import Answer, Case, Image, PredictRequest, Predicts

TOLERANCE = 1e-5
"""How far numbers that should be the same may be from each other."""


def arrays_of(answer: Answer) -> dict[str, npt.NDArray[Any]]:
    """Return every array and number of an answer, by name; what is None is left out."""
    return {
        name: np.asarray(value)
        for field in dataclasses.fields(answer)
        for name, value in _named(field.name, getattr(answer, field.name))
        if value is not None
    }


def copied_arrays(answer: Answer) -> dict[str, npt.NDArray[Any]]:
    """Return copies of every array of an answer, to see later whether it was changed."""
    return {name: array.copy() for name, array in arrays_of(answer).items()}


def _named(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, tuple):
        for number, each in enumerate(value):
            yield f"{name}[{number}]", each
    else:
        yield name, value


def assert_same_arrays(
    left: Mapping[str, npt.NDArray[Any]], right: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Check that two answers are the same; numbers with a fraction may differ by `TOLERANCE`."""
    assert set(left) == set(right), f"only one answer has {sorted(set(left) ^ set(right))}"
    for name, array in left.items():
        atol = TOLERANCE if array.dtype.kind == "f" else 0
        np.testing.assert_allclose(array, right[name], rtol=0, atol=atol, err_msg=name)


def assert_same_answer(left: Answer, right: Answer) -> None:
    """Check that two answers say the same."""
    assert_same_arrays(arrays_of(left), arrays_of(right))


def assert_models_agree(left: Predicts, right: Predicts, image: Image, seed: int = 0) -> None:
    """Check that two models answer the same, by their probabilities where they have them."""
    request = PredictRequest(probabilities=True, seed=seed)
    one, two = left.predict(image, request), right.predict(image, request)
    if one.probabilities is not None and two.probabilities is not None:
        np.testing.assert_allclose(one.probabilities, two.probabilities, rtol=0, atol=TOLERANCE)
    else:
        assert_same_answer(one.answer, two.answer)


def answers_of(model: Predicts, cases: Sequence[Case]) -> list[Answer]:
    """Return what a model answers for each case."""
    return [model.predict(case.load_image(), PredictRequest()).answer for case in cases]
