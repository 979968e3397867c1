from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from limner.errors import (
    GeometryMismatch,
    InvalidLabelValues,
    UnreadableImage,
    UnsupportedFormat,
)
from limner.images import (
    MASK_TYPES,
    Header,
    check_mask,
    encode_mask,
    mask_suffixes,
    media_type,
    read_header,
    read_mask,
)
from limner.plugin import Affine, LabelSchema, Mask
from limner.settings import Limits

SCHEMA = LabelSchema.of("anterior", "posterior")
VOLUMES = (".nii.gz", ".nii", ".nrrd", ".mha")


def _mask(shape: tuple[int, ...], dtype: str, top: int, affine: Affine | None = None) -> Mask:
    array = np.random.default_rng(6).integers(0, top + 1, shape).astype(dtype)
    return Mask(array=array, spacing=(1.0,) * len(shape), affine=affine)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("suffix", VOLUMES)
def test_a_written_volume_comes_back_with_its_images_geometry(
    suffix: str,
    dtype: str,
    tmp_path: Path,
    volume_header: Callable[..., Header],
    oblique: Affine,
    limits: Limits,
) -> None:
    header = volume_header((6, 5, 4))
    mask = _mask((6, 5, 4), dtype, np.iinfo(dtype).max)
    path = tmp_path / "blob"
    path.write_bytes(encode_mask(mask, header, suffix))

    back = read_mask(path, limits, suffix=suffix)

    assert np.array_equal(back.array, mask.array)
    assert back.array.dtype.name == dtype
    assert back.affine is not None
    np.testing.assert_allclose(back.affine, oblique, atol=2e-5)
    assert not back.array.flags.writeable


@pytest.mark.parametrize("suffix", VOLUMES)
def test_itk_sees_a_written_volume_where_its_image_lies(
    suffix: str, tmp_path: Path, volume_header: Callable[..., Header], oblique: Affine
) -> None:
    import SimpleITK

    mask = _mask((6, 5, 4), "uint16", 300)
    path = tmp_path / f"mask{suffix}"
    path.write_bytes(encode_mask(mask, volume_header((6, 5, 4)), suffix))
    image = SimpleITK.ReadImage(str(path))
    assert np.array_equal(SimpleITK.GetArrayFromImage(image).T, mask.array)
    for index in ((0, 0, 0), (5, 4, 3), (2, 0, 1)):
        lps = np.array(image.TransformIndexToPhysicalPoint(index))
        np.testing.assert_allclose(lps * [-1, -1, 1], (oblique @ [*index, 1])[:3], atol=1e-3)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_written_picture_comes_back(
    suffix: str,
    dtype: str,
    tmp_path: Path,
    picture_header: Callable[..., Header],
    limits: Limits,
) -> None:
    mask = _mask((9, 7), dtype, np.iinfo(dtype).max)
    path = tmp_path / f"mask{suffix}"
    path.write_bytes(encode_mask(mask, picture_header((9, 7)), suffix))
    assert np.array_equal(read_mask(path, limits).array, mask.array)
    with Pillow.open(path) as picture:
        assert np.array_equal(np.asarray(picture), mask.array)


@pytest.mark.parametrize("suffix", [*VOLUMES, ".png", ".tif"])
def test_the_same_mask_gives_the_same_bytes(
    suffix: str,
    volume_header: Callable[..., Header],
    picture_header: Callable[..., Header],
) -> None:
    shape = (6, 5) if suffix in (".png", ".tif") else (6, 5, 4)
    header = (picture_header if len(shape) == 2 else volume_header)(shape)
    mask = _mask(shape, "uint8", 2)
    turned = Mask(array=np.asfortranarray(mask.array), spacing=mask.spacing)
    wide = Mask(array=mask.array.astype(np.int64), spacing=mask.spacing)
    assert encode_mask(mask, header, suffix) == encode_mask(turned, header, suffix)
    assert encode_mask(mask, header, suffix) == encode_mask(wide, header, suffix)


def test_a_nifti_mask_repeats_both_orientations_of_its_image(
    tmp_path: Path, oblique: Affine, limits: Limits
) -> None:
    image = nib.Nifti1Image(np.zeros((4, 5, 6), np.float32), None)
    image.set_qform(oblique, code=1)
    sheared = oblique.copy()
    sheared[0, 1] += 0.1
    image.set_sform(sheared, code=4)
    image.header.set_xyzt_units("micron", "sec")
    path = tmp_path / "image.nii.gz"
    nib.save(image, path)

    header = pickle.loads(pickle.dumps(read_header(path, limits)))  # noqa: S301 - our own
    for suffix in (".nii", ".nii.gz"):
        written = tmp_path / f"mask{suffix}"
        written.write_bytes(encode_mask(_mask((4, 5, 6), "uint8", 2), header, suffix))
        back, kept = nib.load(written).header, nib.load(path).header
        for field in ("qform_code", "sform_code", "srow_x", "srow_y", "srow_z", "quatern_b",
                      "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"):  # fmt: skip
            np.testing.assert_array_equal(back[field], kept[field])
        np.testing.assert_array_equal(back["pixdim"][:4], kept["pixdim"][:4])
        assert back.get_xyzt_units()[0] == "micron"
        check_mask(read_mask(written, limits), header, SCHEMA)


def test_a_mask_of_nifti_2_and_of_very_long_axes_is_nifti_2(
    tmp_path: Path, volume_header: Callable[..., Header], limits: Limits
) -> None:
    header = volume_header((40_000, 2, 1))
    path = tmp_path / "mask.nii.gz"
    path.write_bytes(encode_mask(_mask((40_000, 2, 1), "uint8", 2), header, ".nii.gz"))
    assert isinstance(nib.load(path), nib.Nifti2Image)
    check_mask(read_mask(path, limits), header, SCHEMA)


@pytest.mark.parametrize("first", VOLUMES)
@pytest.mark.parametrize("second", VOLUMES)
def test_a_mask_may_pass_from_format_to_format(
    first: str, second: str, tmp_path: Path, volume_header: Callable[..., Header], limits: Limits
) -> None:
    header = volume_header((40, 50, 60))
    once, twice = tmp_path / f"once{first}", tmp_path / f"twice{second}"
    once.write_bytes(encode_mask(_mask((40, 50, 60), "uint8", 2), header, first))
    between = read_header(once, limits)
    twice.write_bytes(encode_mask(read_mask(once, limits), between, second))
    check_mask(read_mask(twice, limits), header, SCHEMA)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    axis=st.integers(0, 2),
    change=st.sampled_from(["flip", "shift", "grow", "swap"]),
    size=st.sampled_from([0.05, 0.5, 3.0]),
)
def test_a_mask_that_lies_elsewhere_is_refused(axis: int, change: str, size: float) -> None:
    affine = np.diag([-size, -2 * size, 3 * size, 1.0])
    affine[:3, 3] = [80.0, 110.0, -60.0]
    moved = affine.copy()
    if change == "flip":
        moved[:3, axis] *= -1
    elif change == "shift":
        moved[:3, 3] += 0.5 * affine[:3, axis]
    elif change == "grow":
        moved[:3, axis] *= 1.01
    else:
        moved[:3, [axis, (axis + 1) % 3]] = moved[:3, [(axis + 1) % 3, axis]]
    header = Header(
        kind="volume", shape=(20, 21, 22), channels=1, dtype="uint8", spacing=(1.0,) * 3,
        affine=affine, format=".nii", size_bytes=1, modified_ns=1,
    )  # fmt: skip
    with pytest.raises(GeometryMismatch, match=r"The mask has affine \[.*its image \["):
        check_mask(_mask((20, 21, 22), "uint8", 2, moved), header, SCHEMA)
    check_mask(_mask((20, 21, 22), "uint8", 2, affine.astype(np.float32)), header, SCHEMA)


def test_a_mask_one_voxel_deep_cannot_hide_a_turned_axis(
    volume_header: Callable[..., Header], oblique: Affine
) -> None:
    turned = oblique.copy()
    turned[:3, 2] *= -1
    with pytest.raises(GeometryMismatch):
        check_mask(_mask((5, 5, 1), "uint8", 1, turned), volume_header((5, 5, 1)), SCHEMA)


def test_shapes_are_both_said(volume_header: Callable[..., Header]) -> None:
    with pytest.raises(GeometryMismatch, match=r"shape \(3, 4, 5\), its image \(3, 4, 6\)"):
        check_mask(_mask((3, 4, 5), "uint8", 1), volume_header((3, 4, 6)), SCHEMA)
    with pytest.raises(GeometryMismatch, match=r"shape \(3, 4, 5\), its image \(3, 4, 6\)"):
        encode_mask(_mask((3, 4, 5), "uint8", 1), volume_header((3, 4, 6)), ".nii")


def test_values_that_the_schema_has_not_are_listed(picture_header: Callable[..., Header]) -> None:
    array = np.zeros((2000, 1000), np.uint16)
    array[-1, -1], array[0, 0], array[5, 5] = 700, 3, 2
    with pytest.raises(InvalidLabelValues, match=r"values 3, 700, .* it has 0, 1, 2"):
        check_mask(Mask(array=array, spacing=(1, 1)), picture_header((2000, 1000)), SCHEMA)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_floats_that_are_whole_numbers_are_a_mask(
    suffix: str, write_volume: Callable[..., Path], oblique: Affine, limits: Limits
) -> None:
    values = np.random.default_rng(8).integers(0, 3, (4, 5, 6))
    mask = read_mask(write_volume(values.astype(np.float64), oblique, suffix), limits)
    assert np.array_equal(mask.array, values)
    assert mask.array.dtype == np.uint8


@pytest.mark.parametrize("bad", [0.5, -1.0, 70_000.0])
def test_values_that_are_no_class_are_refused(
    bad: float, write_volume: Callable[..., Path], oblique: Affine, limits: Limits
) -> None:
    values = np.zeros((4, 5, 6), np.float32)
    values[1, 2, 3] = bad
    with pytest.raises(InvalidLabelValues, match=str(bad).removesuffix(".0")):
        read_mask(write_volume(values, oblique, ".nii"), limits)


def test_a_mask_with_nan_is_unreadable(
    write_volume: Callable[..., Path], oblique: Affine, limits: Limits
) -> None:
    path = write_volume(np.full((2, 2, 2), np.nan, np.float32), oblique, ".nii.gz")
    with pytest.raises(UnreadableImage, match="not finite"):
        read_mask(path, limits)


def test_a_scaled_mask_holds_its_scaled_values(
    edited_nifti: Callable[..., Path], limits: Limits
) -> None:
    array = np.arange(8, dtype=np.int16).reshape(2, 2, 2)
    assert np.array_equal(read_mask(edited_nifti(array, scl_slope=2.0), limits).array, array * 2)


def test_colours_and_layers_are_no_mask(
    tmp_path: Path, write_volume: Callable[..., Path], oblique: Affine, limits: Limits
) -> None:
    Pillow.new("RGB", (4, 4), (1, 1, 1)).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 4, 3), np.uint8), photometric="rgb")
    layers = write_volume(np.zeros((2, 4, 4, 4), np.uint8), oblique, ".nrrd", name="a.seg")
    for path in (tmp_path / "a.png", tmp_path / "a.tif", layers):
        with pytest.raises(InvalidLabelValues, match="a mask has one"):
            read_mask(path, limits)


def test_formats_that_cannot_carry_a_mask_are_refused(
    volume_header: Callable[..., Header], picture_header: Callable[..., Header]
) -> None:
    for suffix in (".png", ".mhd", ".jpg", ".txt", ""):
        with pytest.raises(UnsupportedFormat, match="cannot be written"):
            encode_mask(_mask((2, 2, 2), "uint8", 1), volume_header((2, 2, 2)), suffix)
    with pytest.raises(UnsupportedFormat, match=r"\.png, \.tif"):
        encode_mask(_mask((2, 2), "uint8", 1), picture_header((2, 2)), ".nii.gz")


def test_every_mask_format_has_a_media_type_that_leads_back() -> None:
    for kind in ("volume", "picture"):
        for suffix in mask_suffixes(kind):
            assert MASK_TYPES[media_type(suffix)] == suffix
    with pytest.raises(UnsupportedFormat):
        media_type(".exe")


def test_real_labels_fit_their_images(hippocampus: Path, limits: Limits) -> None:
    labels = sorted((hippocampus / "labels").glob("*.nii.gz"))[::10]
    checked = 0
    for path in labels:
        image = hippocampus / "images" / path.name
        if image.exists():
            header = read_header(image, limits)
            mask = read_mask(path, limits)
            check_mask(mask, header, SCHEMA)
            assert set(np.unique(mask.array)) == {0, 1, 2}
            checked += 1
    assert checked > 10
