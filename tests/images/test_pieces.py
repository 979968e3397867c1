"""Counting pieces, held against scipy."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from limner.images.pieces import in_several_pieces


def expected(masks: list[npt.NDArray[np.bool_] | None]) -> list[int]:
    return [
        row
        for row, mask in enumerate(masks)
        if mask is not None and ndimage.label(mask, np.ones((3,) * mask.ndim))[1] > 1
    ]


def same_axes(axes: int) -> st.SearchStrategy[list[npt.NDArray[np.bool_] | None]]:
    shapes = st.tuples(*[st.integers(1, 8)] * axes)
    return st.lists(st.none() | arrays.arrays(np.bool_, shapes), max_size=6)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(2, 3).flatmap(same_axes))
def test_pieces_are_counted_as_scipy_does(masks: list[npt.NDArray[np.bool_] | None]) -> None:
    assert in_several_pieces(masks) == expected(masks)


def test_many_objects_are_looked_at_portion_by_portion(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    masks: list[npt.NDArray[np.bool_] | None] = [
        rng.random((3, 4)) < 0.4 if number % 9 else None for number in range(500)
    ]
    monkeypatch.setattr("limner.images.pieces._MOST_PIXELS", 50)
    found = in_several_pieces(masks)
    assert found == expected(masks)
    assert 100 < len(found) < 400


def test_a_long_spiral_is_one_piece() -> None:
    spiral = np.zeros((401, 401), np.bool_)
    for ring in range(0, 200, 2):
        spiral[ring, ring : 401 - ring] = True
        spiral[ring : 401 - ring, 400 - ring] = True
        spiral[400 - ring, ring : 401 - ring] = True
        spiral[ring + 2 : 401 - ring, ring] = True
        spiral[ring + 2, ring : ring + 3] = True
    began = time.monotonic()
    assert in_several_pieces([spiral]) == expected([spiral]) == []
    assert time.monotonic() - began < 5


def test_a_giant_mask_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    two = np.array([[True, False, True]])
    assert in_several_pieces([two]) == [0]
    monkeypatch.setattr("limner.images.pieces._MOST_PIXELS", 7)
    assert in_several_pieces([two]) == []
