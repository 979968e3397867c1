from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from limner.errors import UnreadableImage, UnsupportedFormat
from limner.images import read_header, read_image
from limner.plugin import Affine
from limner.settings import Limits

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_voxels_type_and_place_of_a_volume_come_through(
    suffix: str, dtype: str, write_volume: Callable[..., Path], oblique: Affine, limits: Limits
) -> None:
    array = np.random.default_rng(1).integers(0, 120, (7, 6, 5)).astype(dtype)
    path = write_volume(array, oblique, suffix)

    image, header = read_image(path, limits), read_header(path, limits)

    assert image.array.shape == (1, 7, 6, 5)
    assert image.array.dtype.name == header.dtype == dtype
    assert np.array_equal(image.array[0], array)
    assert image.affine is not None
    np.testing.assert_allclose(image.affine, oblique, atol=2e-5)
    assert image.spacing == pytest.approx((0.7, 0.9, 3.3), rel=1e-6)
    assert (header.shape, header.channels, header.kind) == ((7, 6, 5), 1, "volume")
    assert not image.array.flags.writeable


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_channels_of_one_file_come_first(
    suffix: str, write_volume: Callable[..., Path], oblique: Affine, limits: Limits
) -> None:
    array = np.random.default_rng(2).integers(0, 99, (3, 4, 5, 6)).astype(np.int16)
    image = read_image(write_volume(array, oblique, suffix), limits)
    assert image.array.shape == (3, 4, 5, 6)
    assert np.array_equal(image.array, array)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_slice_of_two_axes_is_a_volume_one_deep(
    suffix: str, tmp_path: Path, limits: Limits
) -> None:
    import SimpleITK

    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    picture = SimpleITK.GetImageFromArray(array)
    picture.SetSpacing((0.5, 2.0))
    path = tmp_path / f"slice{suffix}"
    SimpleITK.WriteImage(picture, str(path))
    image = read_image(path, limits)
    assert image.array.shape == (1, 4, 3, 1)
    assert np.array_equal(image.array[0, :, :, 0], array.T)
    assert image.spacing == (0.5, 2.0, 1.0)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((4, 5), (1, 4, 5, 1)),
        ((4, 5, 6, 1), (1, 4, 5, 6)),
        ((4, 5, 6, 2), (2, 4, 5, 6)),
        ((4, 5, 6, 1, 3), (3, 4, 5, 6)),
    ],
)
def test_further_axes_of_nifti_are_channels(
    shape: tuple[int, ...],
    expected: tuple[int, ...],
    edited_nifti: Callable[..., Path],
    limits: Limits,
) -> None:
    array = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    image = read_image(edited_nifti(array), limits)
    assert image.array.shape == expected
    assert np.array_equal(
        image.array, np.moveaxis(array.reshape((*expected[1:], expected[0])), -1, 0)
    )


def test_two_long_axes_beside_space_are_refused(
    edited_nifti: Callable[..., Path], limits: Limits
) -> None:
    with pytest.raises(UnsupportedFormat, match="more than one axis beside the spatial"):
        read_header(edited_nifti(np.zeros((2, 2, 2, 3, 3), np.uint8)), limits)


@pytest.mark.parametrize("name", ["big.nii", "big.nii.gz"])
def test_big_endian_nifti_is_turned_to_native_order(
    name: str, edited_nifti: Callable[..., Path], limits: Limits
) -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4) - 7
    image = read_image(edited_nifti(array, order=">", name=name), limits)
    assert np.array_equal(image.array[0], array)
    assert image.array.dtype == np.dtype(np.int16)
    assert image.array.dtype.isnative


@pytest.mark.parametrize(
    ("slope", "inter", "expected"),
    [
        (2.0, -1.0, "float32"),
        (1.0, 0.0, "int16"),
        (0.0, 5.0, "int16"),
        (np.nan, np.nan, "int16"),
        (2.0, np.nan, "float32"),
    ],
)
def test_a_scale_is_applied_where_the_header_means_one(
    slope: float,
    inter: float,
    expected: str,
    edited_nifti: Callable[..., Path],
    limits: Limits,
) -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    path = edited_nifti(array, scl_slope=slope, scl_inter=inter)
    image = read_image(path, limits)
    meant = array * slope + (inter if np.isfinite(inter) else 0) if expected == "float32" else array
    assert image.array.dtype.name == read_header(path, limits).dtype == expected
    np.testing.assert_array_equal(image.array[0], meant)


@pytest.mark.parametrize(("units", "factor"), [(0, 1.0), (1, 1000.0), (2, 1.0), (3, 0.001)])
def test_units_of_nifti_are_turned_into_millimetres(
    units: int, factor: float, edited_nifti: Callable[..., Path], limits: Limits
) -> None:
    header = read_header(edited_nifti(np.zeros((2, 2, 2), np.uint8), xyzt_units=units | 8), limits)
    assert header.spacing == pytest.approx((factor,) * 3)
    assert header.affine is not None
    assert header.affine[0, 0] == pytest.approx(factor)


@pytest.mark.parametrize(("code", "count"), [(128, 3), (2304, 4)])
def test_colours_of_nifti_are_three_channels(
    code: int, count: int, edited_nifti: Callable[..., Path], limits: Limits
) -> None:
    colours = np.arange(count * 24, dtype=np.uint8).reshape(count, 2, 3, 4)
    path = edited_nifti(colours)
    raw = bytearray(path.read_bytes())
    raw[40:56] = np.array([3, 2, 3, 4, 1, 1, 1, 1], "<i2").tobytes()
    raw[70:72] = np.array(code, "<i2").tobytes()
    path.write_bytes(bytes(raw))
    image = read_image(path, limits)
    assert image.array.shape == (3, 2, 3, 4)
    assert np.array_equal(image.array, colours[:3])


@pytest.mark.parametrize("code", [1, 32, 1536, 1792, 7777])
def test_types_that_no_model_could_take_are_refused(
    code: int, edited_nifti: Callable[..., Path], limits: Limits
) -> None:
    path = edited_nifti(np.zeros((2, 2, 2), np.uint8))
    raw = bytearray(path.read_bytes())
    raw[70:72] = np.array(code, "<i2").tobytes()
    path.write_bytes(bytes(raw))
    with pytest.raises(UnsupportedFormat, match=str(code)):
        read_header(path, limits)


def test_nifti_2_is_read(tmp_path: Path, oblique: Affine, limits: Limits) -> None:
    array = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    for name in ("two.nii", "two.nii.gz"):
        nib.save(nib.Nifti2Image(array, oblique), tmp_path / name)
        image = read_image(tmp_path / name, limits)
        assert np.array_equal(image.array[0], array)
        assert image.affine is not None
        np.testing.assert_allclose(image.affine, oblique)


@pytest.mark.parametrize(
    "fields",
    [
        {"srow_x": [0, 0, 0, 0]},
        {"srow_y": [1, 0, 0, 0]},
        {"srow_z": [0, 0, np.nan, 0]},
        {"srow_z": [0, 0, np.inf, 0]},
    ],
)
def test_an_affine_that_leads_nowhere_is_refused(
    fields: dict[str, Any], edited_nifti: Callable[..., Path], limits: Limits
) -> None:
    with pytest.raises(UnreadableImage, match="affine"):
        read_header(edited_nifti(np.zeros((2, 2, 2), np.uint8), **fields), limits)


@pytest.mark.parametrize("space", ["RAS", "left-anterior-superior", "LPS"])
def test_spaces_of_nrrd_lead_to_ras(space: str, tmp_path: Path, limits: Limits) -> None:
    signs = {"RAS": (1, 1), "left-anterior-superior": (-1, 1), "LPS": (-1, -1)}[space]
    path = tmp_path / "a.nrrd"
    path.write_bytes(
        f"NRRD0005\ntype: uint8\ndimension: 3\nspace: {space}\nsizes: 2 2 2\n"
        "space directions: (1,0,0) (0,2,0) (0,0,3)\nspace origin: (10,20,30)\n"
        "encoding: raw\n\n".encode()
        + bytes(8)
    )
    header = read_header(path, limits)
    assert header.affine is not None
    expected = np.diag([signs[0], 2 * signs[1], 3, 1]).astype(float)
    expected[:3, 3] = [10 * signs[0], 20 * signs[1], 30]
    np.testing.assert_array_equal(header.affine, expected)


@pytest.mark.parametrize(
    ("axes", "channel_axis"),
    [
        ("kinds: domain domain domain list", 3),
        ("kinds: vector domain domain domain", 0),
        ("space: LPS\nspace directions: none (1,0,0) (0,1,0) (0,0,1)", 0),
        ("space: LPS\nspace directions: (1,0,0) (0,1,0) (0,0,1) none", 3),
        ("comment: nothing is said of the axes", 3),
    ],
)
def test_the_list_axis_of_nrrd_is_the_channels_wherever_it_stands(
    axes: str, channel_axis: int, tmp_path: Path, limits: Limits
) -> None:
    sizes = [3, 4, 5]
    sizes.insert(channel_axis, 2)
    values = np.arange(120, dtype=np.uint8).reshape(sizes, order="F")
    path = tmp_path / "a.nrrd"
    path.write_bytes(
        f"NRRD0005\ntype: uchar\ndimension: 4\nsizes: {' '.join(map(str, sizes))}\n{axes}\n"
        "encoding: raw\n\n".encode()
        + values.tobytes(order="F")
    )
    image = read_image(path, limits)
    assert np.array_equal(image.array, np.moveaxis(values, channel_axis, 0))


def test_bzip2_and_skipped_bytes_of_nrrd_are_read(tmp_path: Path, limits: Limits) -> None:
    import bz2

    values = np.arange(24, dtype="<i2").reshape(2, 3, 4)
    head = "NRRD0001\ntype: short\ndimension: 3\nsizes: 2 3 4\nendian: little\nencoding: "
    voxels = values.tobytes(order="F")
    packed, skipped, counted = (tmp_path / f"{name}.nrrd" for name in "abc")
    packed.write_bytes(f"{head}bz2\n\n".encode() + bz2.compress(voxels))
    skipped.write_bytes(f"{head}raw\nbyte skip: 3\n\nxyz".encode() + voxels)
    counted.write_bytes(f"{head}raw\nbyte skip: -1\n\nanything".encode() + voxels)
    for path in (packed, skipped, counted):
        assert np.array_equal(read_image(path, limits).array[0], values), path


@pytest.mark.parametrize(
    "field", ["data file: /etc/passwd", "datafile: voxels.raw", "data file: LIST"]
)
def test_a_nrrd_cannot_name_another_file(field: str, tmp_path: Path, limits: Limits) -> None:
    path = tmp_path / "a.nrrd"
    path.write_text(
        f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 2 2\nencoding: raw\n{field}\n\n12345678"
    )
    with pytest.raises(UnsupportedFormat, match="in another file"):
        read_header(path, limits)


@pytest.mark.parametrize("named", ["/etc/passwd", "../secret.raw", "sub/x.raw", "..", "a\\b.raw"])
def test_an_mhd_cannot_name_a_file_elsewhere(named: str, tmp_path: Path, limits: Limits) -> None:
    path = tmp_path / "a.mhd"
    path.write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\n"
        f"ElementDataFile = {named}\n"
    )
    with pytest.raises(UnsupportedFormat, match="same folder only"):
        read_header(path, limits)


def test_an_mhd_without_its_companion_says_what_is_missing(
    tmp_path: Path, write_volume: Callable[..., Path], oblique: Affine, limits: Limits
) -> None:
    path = write_volume(np.zeros((3, 3, 3), np.uint8), oblique, ".mhd")
    (tmp_path / "volume.raw").unlink()
    with pytest.raises(UnreadableImage, match=r"volume\.raw beside it, which is missing"):
        read_header(path, limits)


def test_real_volumes_are_read_as_nibabel_and_itk_read_them(data_dir: Path, limits: Limits) -> None:
    import SimpleITK

    paths = sorted((data_dir / "hippocampus" / "images").glob("*.nii.gz"))[::20]
    assert paths
    for path in paths:
        image, other = read_image(path, limits), nib.load(path)
        assert np.array_equal(image.array[0], np.asanyarray(other.dataobj))
        np.testing.assert_array_equal(image.affine, other.affine)
        third = SimpleITK.ReadImage(str(path))
        assert np.array_equal(image.array[0], SimpleITK.GetArrayFromImage(third).T)
        assert image.spacing == pytest.approx(third.GetSpacing(), rel=1e-6)
