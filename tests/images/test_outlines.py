"""Outlines lead from an area to polygons and back to exactly the area."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image as Pillow
from scipy import ndimage

from limner.images import filling
from limner.images.filling import filled_cut, pixels_spanned, rows_crossed
from limner.images.outlines import enclosed, filled, outlines

Area = npt.NDArray[np.bool_]

EIGHT = np.ones((3, 3), np.bool_)
"""Outside is joined over corners, so a hole must be closed to all eight neighbours."""


def area_of(shape: tuple[int, int], *windows: Any) -> Area:
    area = np.zeros(shape, np.bool_)
    for each in windows:
        area[each] = True
    return area


def refilled(area: Area) -> Area:
    back = np.zeros_like(area)
    for each in outlines(area):
        back |= filled(each, area.shape)
    return back


@settings(max_examples=200, deadline=None, derandomize=True)
@given(arrays.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_refilled_outlines_are_the_area_without_its_holes(area: Area) -> None:
    whole = ndimage.binary_fill_holes(area, structure=EIGHT)
    assert np.array_equal(refilled(area), whole)


def test_x_runs_along_the_columns_from_the_outer_corner_of_the_first_pixel() -> None:
    (outline,) = outlines(area_of((20, 30), np.s_[2:7, 4:14]))
    assert outline.dtype == np.float32
    assert sorted(map(tuple, outline.tolist())) == [
        (4, 2.5), (4, 6.5), (4.5, 2), (4.5, 7), (13.5, 2), (13.5, 7), (14, 2.5), (14, 6.5),
    ]  # fmt: skip
    assert enclosed(outline) == 50 - 0.5


def test_an_area_at_the_border_closes() -> None:
    area = np.ones((5, 7), np.bool_)
    (outline,) = outlines(area)
    assert outline.min(axis=0).tolist() == [0, 0]
    assert outline.max(axis=0).tolist() == [7, 5]
    assert np.array_equal(refilled(area), area)


def test_the_largest_comes_first_and_small_ones_may_be_left_out() -> None:
    area = area_of((40, 40), np.s_[0:2, 0:2], np.s_[10:30, 5:25], np.s_[35:39, 30:39])
    sizes = [enclosed(each) for each in outlines(area)]
    assert sizes == [399.5, 35.5, 3.5]
    assert [enclosed(each) for each in outlines(area, least_area=35.5)] == [399.5, 35.5]
    assert outlines(area, least_area=1000) == []


def test_a_hole_is_not_outlined_and_what_lies_in_it_is() -> None:
    area = area_of((12, 12), np.s_[1:11, 1:11])
    area[3:9, 3:9] = False
    area[5:7, 5:7] = True
    outer, island = outlines(area)
    assert enclosed(outer) == 99.5
    assert enclosed(island) == 3.5


def test_pixels_that_touch_at_a_corner_are_apart() -> None:
    area = area_of((4, 4), np.s_[1, 1], np.s_[2, 2])
    assert [enclosed(each) for each in outlines(area)] == [0.5, 0.5]


@pytest.mark.parametrize("shape", [(4, 5), (0, 5), (4, 0)])
def test_an_empty_area_has_no_outline(shape: tuple[int, int]) -> None:
    assert outlines(np.zeros(shape, np.bool_)) == []


def test_an_outline_has_no_point_where_it_goes_straight_on() -> None:
    yy, xx = np.mgrid[:60, :60]
    (outline,) = outlines(yy + xx < 50)
    assert len(outline) < 10


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    arrays.arrays(
        np.float64, st.tuples(st.integers(1, 7), st.just(2)), elements=st.floats(-6, 18, width=32)
    )
)
def test_a_pixel_is_inside_where_its_centre_is(polygon: npt.NDArray[np.float64]) -> None:
    """By the even-odd rule, a ray to the left counts the sides."""
    inside = np.zeros((8, 11), np.bool_)
    for row in range(8):
        for column in range(11):
            crossed = 0
            for (x, y), (next_x, next_y) in zip(polygon, np.roll(polygon, -1, 0), strict=True):
                if (y <= row + 0.5) != (next_y <= row + 0.5):
                    at = x + (row + 0.5 - y) / (next_y - y) * (next_x - x)
                    crossed += at <= column + 0.5
            inside[row, column] = crossed % 2
    assert np.array_equal(filled(polygon, (8, 11)), inside)


def test_what_lies_outside_is_cut_off() -> None:
    square = np.array([[-1e9, -1e9], [1e9, -1e9], [1e9, 1e9], [-1e9, 1e9]])
    assert filled(square, (3, 4)).all()
    beside = np.array([[10, 10], [12, 10], [12, 12.0]])
    cut = filled_cut([beside], (3, 4))
    assert cut.inside.size == pixels_spanned([beside], (3, 4)) == 0
    assert not filled(beside, (3, 4)).any()
    assert rows_crossed([square], (3, 4)) == 6


def test_an_outline_in_another_is_a_hole() -> None:
    outer = np.array([[0, 0], [9, 0], [9, 9], [0, 9.0]])
    cut = filled_cut([outer, outer / 3 + 3], (9, 9))
    assert cut.inside.sum() == 81 - 9
    assert not cut.inside[3:6, 3:6].any()


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_many_crossings_are_looked_at_piece_by_piece(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    polygon = np.random.default_rng(4).uniform(-5, 45, (40, 2))
    whole = filled(polygon, (40, 30))
    monkeypatch.setattr(filling, "_CHUNK", chunk)
    assert np.array_equal(filled(polygon, (40, 30)), whole)


def test_real_nuclei_come_back_pixel_by_pixel(nuclei: Path) -> None:
    path = sorted((nuclei / "labels").glob("*.png"))[0]
    with Pillow.open(path) as picture:
        numbered = np.asarray(picture)
    for number in np.unique(numbered)[1:]:
        area = numbered == number
        assert np.array_equal(refilled(area), ndimage.binary_fill_holes(area, structure=EIGHT))


def test_contourpy_is_loaded_with_the_first_outline_only() -> None:
    code = (
        "import sys, limner.images, limner.images.outlines as o, numpy as np\n"
        "before = 'contourpy' in sys.modules\n"
        "o.outlines(np.ones((2, 2), bool))\n"
        "print(before, 'contourpy' in sys.modules, 'matplotlib' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.strip() == "False True False"
