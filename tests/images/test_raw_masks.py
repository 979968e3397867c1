"""Bare voxels as a label, and other values for the classes of a mask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from limner.errors import (
    GeometryMismatch,
    InvalidLabelValues,
    UnreadableImage,
    UnsupportedFormat,
)
from limner.images import Header, check_mask, read_raw_mask, recoded
from limner.plugin import LabelSchema, Mask

SHAPE = (4, 3, 2)


def test_the_first_axis_runs_fastest_and_the_geometry_is_the_images(
    tmp_path: Path, volume_header: Callable[..., Header]
) -> None:
    header = volume_header(SHAPE)
    array = np.random.default_rng(2).integers(0, 3, SHAPE).astype(np.uint8)
    path = tmp_path / "label.bin"
    path.write_bytes(array.tobytes(order="F"))

    mask = read_raw_mask(path, header)

    assert np.array_equal(mask.array, array)
    assert mask.array.dtype == np.uint8
    assert mask.affine is header.affine
    assert mask.spacing == header.spacing
    assert not mask.array.flags.writeable
    check_mask(mask, header, LabelSchema.of("a", "b"))


@pytest.mark.parametrize("size", [0, 23, 25])
def test_each_voxel_needs_one_byte(
    size: int, tmp_path: Path, volume_header: Callable[..., Header]
) -> None:
    path = tmp_path / "label.bin"
    path.write_bytes(b"\0" * size)
    with pytest.raises(GeometryMismatch, match=rf"{size} bytes, .*\(4, 3, 2\) 24 voxels"):
        read_raw_mask(path, volume_header(SHAPE))


def test_what_is_no_file_is_unreadable(
    tmp_path: Path, volume_header: Callable[..., Header]
) -> None:
    for path in (tmp_path, tmp_path / "absent.bin"):
        with pytest.raises(UnreadableImage):
            read_raw_mask(path, volume_header(SHAPE))


def test_bare_voxels_say_no_mask_of_a_picture(
    tmp_path: Path, picture_header: Callable[..., Header]
) -> None:
    path = tmp_path / "label.bin"
    path.write_bytes(b"\0" * 12)
    with pytest.raises(UnsupportedFormat, match="PNG"):
        read_raw_mask(path, picture_header((4, 3)))


def mask_of(values: list[int], dtype: str = "uint8") -> Mask:
    return Mask(array=np.array([values], dtype), spacing=(1.0, 2.0), affine=np.eye(4))


def test_classes_may_swap_their_values() -> None:
    old = mask_of([0, 1, 2, 7])
    new = recoded(old, {1: 2, 2: 1, 9: 4})
    assert new.array.tolist() == [[0, 2, 1, 7]]
    assert new.array.dtype == np.uint8
    assert (new.spacing, new.affine) == (old.spacing, old.affine)


@pytest.mark.parametrize(
    ("values", "dtype", "mapping", "wanted", "found"),
    [
        ([0, 1], "uint8", {1: 300}, [0, 300], "uint16"),
        ([0, 300], "uint16", {300: 3}, [0, 3], "uint8"),
        ([0, 65_535], "uint16", {65_535: 0}, [0, 0], "uint8"),
        ([0, 5], "float32", {5: 6}, [0, 6], "uint8"),
        ([0, 5], "uint8", {70_000: 1, -1: 2}, [0, 5], "uint8"),
    ],
)
def test_the_type_is_as_wide_as_the_new_values_need(
    values: list[int], dtype: str, mapping: dict[int, int], wanted: list[int], found: str
) -> None:
    new = recoded(mask_of(values, dtype), mapping)
    assert new.array.tolist() == [wanted]
    assert new.array.dtype == found


@pytest.mark.parametrize("new", [-1, 65_536])
def test_new_values_must_be_class_values(new: int) -> None:
    with pytest.raises(InvalidLabelValues, match=str(new)):
        recoded(mask_of([0, 1]), {1: new})


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    array=arrays.arrays(np.uint16, (3, 4), elements=st.integers(0, 400)),
    values=st.dictionaries(st.integers(0, 400), st.integers(0, 65_535), max_size=5),
)
def test_every_pixel_is_looked_up(array: np.ndarray, values: dict[int, int]) -> None:
    new = recoded(Mask(array=array, spacing=(1.0, 1.0)), values)
    assert new.array.tolist() == [
        [values.get(each, each) for each in row] for row in array.tolist()
    ]
