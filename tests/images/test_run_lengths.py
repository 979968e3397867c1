"""Run lengths, held against pycocotools."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco

from limner.images.run_lengths import (
    BrokenRuns,
    Runs,
    packed,
    runs_of_counts,
    runs_of_mask,
    runs_of_polygons,
    unpacked,
)

pictures = arrays.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))
exact = settings(max_examples=150, deadline=None, derandomize=True)


def whole(runs: Runs, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Paint runs into a picture of the image's size, by another way than `Runs.mask`."""
    flat = np.zeros(shape[0] * shape[1], np.bool_)
    for start, stop in zip(runs.starts, runs.stops, strict=True):
        flat[start:stop] = True
    return flat.reshape(shape[1], shape[0]).T


def oracle(picture: npt.NDArray[np.bool_]) -> bytes:
    encoded: dict[str, Any] = coco.encode(np.asfortranarray(picture.astype(np.uint8)))
    return encoded["counts"]  # type: ignore[no-any-return]


@exact
@given(pictures)
def test_packed_text_is_that_of_pycocotools(picture: npt.NDArray[np.bool_]) -> None:
    runs = runs_of_mask(picture, (0, 0), picture.shape[0])
    assert packed([runs.counts(picture.size)], picture.shape) == [oracle(picture).decode()]


@exact
@given(pictures)
def test_text_of_pycocotools_is_unpacked(picture: npt.NDArray[np.bool_]) -> None:
    runs = runs_of_counts(unpacked(oracle(picture)), picture.shape)
    assert np.array_equal(whole(runs, picture.shape), picture)
    assert runs.area == picture.sum()


@exact
@given(pictures.filter(lambda picture: bool(picture.any())))
def test_a_box_is_tight_and_its_mask_is_the_object(picture: npt.NDArray[np.bool_]) -> None:
    runs = runs_of_counts(unpacked(oracle(picture)), picture.shape)
    top, left, bottom, right = runs.box()
    rows, columns = np.nonzero(picture)
    assert (top, bottom) == (rows.min(), rows.max() + 1)
    assert (left, right) == (columns.min(), columns.max() + 1)
    assert np.array_equal(runs.mask((top, left, bottom, right)), picture[top:bottom, left:right])


@exact
@given(pictures, st.tuples(*[st.integers(0, 5)] * 4))
def test_a_cut_mask_has_the_runs_that_it_has_in_its_image(
    picture: npt.NDArray[np.bool_], margins: tuple[int, ...]
) -> None:
    image = np.pad(picture, (margins[:2], margins[2:]))
    runs = runs_of_mask(picture, (margins[0], margins[2]), image.shape[0])
    assert np.array_equal(whole(runs, image.shape), image)


def test_long_runs_and_large_pictures_come_back() -> None:
    shape = (20_000, 25_000)
    starts = np.array([0, 7, 300_000_000, 499_999_999])
    runs = Runs(starts, starts + np.array([1, 250_000_000, 9, 1]), shape[0])
    (text,) = packed([runs.counts(shape[0] * shape[1])], shape)
    back = runs_of_counts(unpacked(text.encode()), shape)
    assert np.array_equal(back.starts, runs.starts)
    assert np.array_equal(back.stops, runs.stops)


@exact
@given(
    st.lists(
        st.lists(st.floats(-1, 31), min_size=6, max_size=14).filter(lambda p: len(p) % 2 == 0),
        min_size=1,
        max_size=4,
    )
)
def test_polygons_are_drawn_as_pycocotools_does(polygons: list[list[float]]) -> None:
    shape = (30, 25)
    runs = runs_of_polygons([np.array(each) for each in polygons], shape)
    drawn = coco.merge(coco.frPyObjects(polygons, *shape))
    assert packed([runs.counts(30 * 25)], shape) == [drawn["counts"].decode()]


def test_counts_of_zero_are_fine() -> None:
    runs = runs_of_counts(np.array([0, 2, 0, 1, 3, 0, 0]), (3, 2))
    assert (runs.starts.tolist(), runs.stops.tolist()) == ([0], [3])


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([1, 2], "sum to 3, not to the 6 pixels"),
        ([7], "sum to 7"),
        ([], "sum to 0"),
        ([8, -2], "negative count, -2"),
        ([2**62, 2**62, 2**62, 2**62, 6], "sum to 18,446,744,073,709,551,"),
    ],
)
def test_counts_that_fill_no_picture_are_refused(counts: list[int], said: str) -> None:
    with pytest.raises(BrokenRuns, match=said):
        runs_of_counts(np.array(counts, np.int64), (3, 2))


@pytest.mark.parametrize("text", [b"a", b"P" * 8 + b"0", b"0 0", b"/", b"p", b"\xff"])
def test_text_that_is_no_packed_counts_is_refused(text: bytes) -> None:
    with pytest.raises(BrokenRuns):
        runs_of_counts(unpacked(text), (3, 2))


def test_an_endless_outline_is_refused_before_it_is_drawn() -> None:
    zigzag = np.array([0.0, 0, 9_999, 9_999] * 500)
    with pytest.raises(BrokenRuns, match="outline of"):
        runs_of_polygons([zigzag], (10_000, 10_000))
