"""Masks written as a client asks: the type of their values, packed or raw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK
import tifffile
from PIL import Image as Pillow

from limner.errors import InvalidLabelValues, UnsupportedFormat
from limner.images import Header, encode_answer, encode_mask, read_mask
from limner.images.number_types import NUMBER_TYPES
from limner.plugin import LabelSchema, Mask
from limner.settings import Limits

VOLUMES = (".nii.gz", ".nii", ".nrrd", ".mha")
SHAPE = (6, 5, 4)


def mask_of(shape: tuple[int, ...] = SHAPE, top: int = 100) -> Mask:
    array = np.random.default_rng(6).integers(0, top + 1, shape).astype(np.uint16)
    array.flat[0] = top
    return Mask(array=array, spacing=(1.0,) * len(shape))


def seen_by_others(path: Path) -> npt.NDArray[Any]:
    """Read the stored values with a library that is not under test; volumes as (i, j, k)."""
    if path.name.endswith((".nii", ".nii.gz")):
        return np.asanyarray(nib.load(path).dataobj)
    if path.suffix == ".tif":
        return np.asarray(tifffile.imread(path))
    if path.suffix == ".png":
        with Pillow.open(path) as picture:
            return np.asarray(picture)
    return np.asarray(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).T)


@pytest.mark.parametrize("dtype", NUMBER_TYPES)
@pytest.mark.parametrize("suffix", [*VOLUMES, ".tif"])
def test_values_are_stored_in_the_type_asked_for(
    suffix: str,
    dtype: str,
    tmp_path: Path,
    volume_header: Callable[..., Header],
    picture_header: Callable[..., Header],
    limits: Limits,
) -> None:
    shape = SHAPE[:2] if suffix == ".tif" else SHAPE
    header = (picture_header if suffix == ".tif" else volume_header)(shape)
    mask = mask_of(shape)
    path = tmp_path / f"mask{suffix}"
    path.write_bytes(encode_mask(mask, header, suffix, dtype=dtype))

    seen = seen_by_others(path)
    assert seen.dtype.newbyteorder("=") == np.dtype(dtype)
    assert np.array_equal(seen, mask.array)
    assert np.array_equal(read_mask(path, limits).array, mask.array)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_png_is_8_or_16_bits(
    dtype: str, tmp_path: Path, picture_header: Callable[..., Header]
) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(encode_mask(mask_of((6, 5)), picture_header((6, 5)), ".png", dtype=dtype))
    assert seen_by_others(path).dtype == dtype


@pytest.mark.parametrize(
    ("suffix", "dtype", "known"),
    [(".png", "int16", "uint8, uint16"), (".nrrd", "float16", "uint8, int8"), (".nii", "", "int8")],
)
def test_types_that_a_format_does_not_carry_are_refused(
    suffix: str,
    dtype: str,
    known: str,
    volume_header: Callable[..., Header],
    picture_header: Callable[..., Header],
) -> None:
    is_picture = suffix == ".png"
    shape = SHAPE[:2] if is_picture else SHAPE
    header = (picture_header if is_picture else volume_header)(shape)
    with pytest.raises(UnsupportedFormat, match=f"{dtype!r}; use one of .*{known}"):
        encode_mask(mask_of(shape), header, suffix, dtype=dtype)


@pytest.mark.parametrize(("dtype", "top"), [("int8", 128), ("uint8", 256), ("int16", 32_768)])
def test_values_that_do_not_fit_are_refused_and_the_largest_that_does_is_kept(
    dtype: str, top: int, volume_header: Callable[..., Header]
) -> None:
    header = volume_header(SHAPE)
    with pytest.raises(InvalidLabelValues, match=f"{top}, which is more than {dtype}"):
        encode_mask(mask_of(top=top), header, ".nrrd", dtype=dtype)
    assert encode_mask(mask_of(top=top - 1), header, ".nrrd", dtype=dtype)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_volume_is_packed_or_raw_as_asked(
    suffix: str, tmp_path: Path, volume_header: Callable[..., Header], limits: Limits
) -> None:
    header, mask = volume_header(SHAPE), mask_of(top=60_000)
    written = {
        compress: encode_mask(mask, header, suffix, compress=compress)
        for compress in (None, True, False)
    }
    assert written[None] == written[True]
    assert written[False].endswith(mask.array.astype("<u2").tobytes(order="F"))
    for compress, data in written.items():
        path = tmp_path / f"{compress}{suffix}"
        path.write_bytes(data)
        assert np.array_equal(seen_by_others(path), mask.array)
        assert np.array_equal(read_mask(path, limits).array, mask.array)
        assert (b"encoding: raw" in data or b"CompressedData = False" in data) is (
            compress is False
        )


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".png", ".tif"])
def test_formats_without_a_choice_stay_as_they_are(
    suffix: str, volume_header: Callable[..., Header], picture_header: Callable[..., Header]
) -> None:
    is_picture = suffix in (".png", ".tif")
    shape = SHAPE[:2] if is_picture else SHAPE
    header = (picture_header if is_picture else volume_header)(shape)
    usual = encode_mask(mask_of(shape), header, suffix)
    for compress in (True, False):
        assert encode_mask(mask_of(shape), header, suffix, compress=compress) == usual


def test_an_answer_that_is_a_mask_is_written_as_asked(volume_header: Callable[..., Header]) -> None:
    header, mask, schema = volume_header(SHAPE), mask_of(), LabelSchema.of("a")
    assert encode_answer(
        mask, header, schema, ".nrrd", dtype="int16", compress=False
    ) == encode_mask(mask, header, ".nrrd", dtype="int16", compress=False)
