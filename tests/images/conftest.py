"""Making small images of every format, partly with other libraries than those under test."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest

from limner.images import Header
from limner.plugin import Affine
from limner.settings import Limits

VOLUME_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
PICTURE_SUFFIXES = (".png", ".jpg", ".tif")

WriteVolume = Callable[..., Path]


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
def oblique() -> Affine:
    """A turned, anisotropic affine far from the origin, exact in single precision's digits."""
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3] = turn * [0.7, 0.9, 3.3]
    affine[:3, 3] = [-91.25, 126.5, -71.75]
    return affine


@pytest.fixture
def write_volume(tmp_path: Path) -> WriteVolume:
    """Write (i, j, k) or (channels, i, j, k) with nibabel or ITK, from an affine to RAS+."""

    def write(
        array: npt.NDArray[Any], affine: Affine, suffix: str, *, name: str = "volume"
    ) -> Path:
        path = tmp_path / f"{name}{suffix}"
        if suffix.startswith(".nii"):
            stored = np.moveaxis(array, 0, -1) if array.ndim == 4 else array
            image = nib.Nifti1Image(stored, affine, dtype=array.dtype)
            image.header.set_xyzt_units("mm")
            nib.save(image, path)
            return path
        import SimpleITK

        is_vector = array.ndim == 4
        flipped = array.transpose(3, 2, 1, 0) if is_vector else array.transpose(2, 1, 0)
        image = SimpleITK.GetImageFromArray(np.ascontiguousarray(flipped), isVector=is_vector)
        lps = np.diag([-1, -1, 1, 1]) @ affine
        sides = np.linalg.norm(lps[:3, :3], axis=0)
        image.SetSpacing(sides.tolist())
        image.SetOrigin(lps[:3, 3].tolist())
        image.SetDirection((lps[:3, :3] / sides).ravel().tolist())
        SimpleITK.WriteImage(image, str(path), useCompression=suffix != ".mhd")
        return path

    return write


@pytest.fixture
def volume_header(oblique: Affine) -> Callable[..., Header]:
    """Make the header of a volume that no file holds."""

    def make(shape: tuple[int, ...], affine: Affine | None = None) -> Header:
        affine = oblique if affine is None else affine
        return Header(
            kind="volume",
            shape=shape,
            channels=1,
            dtype="int16",
            spacing=tuple(np.linalg.norm(affine[:3, :3], axis=0).tolist()),
            affine=affine,
            format=".nrrd",
            size_bytes=1,
            modified_ns=1,
        )

    return make


@pytest.fixture
def picture_header() -> Callable[..., Header]:
    """Make the header of a picture that no file holds."""

    def make(shape: tuple[int, ...]) -> Header:
        return Header(
            kind="picture",
            shape=shape,
            channels=1,
            dtype="uint8",
            spacing=(1.0, 1.0),
            affine=None,
            format=".png",
            size_bytes=1,
            modified_ns=1,
        )

    return make


@pytest.fixture
def sample_bytes(
    tmp_path: Path, write_volume: WriteVolume, oblique: Affine
) -> Callable[[str], bytes]:
    """Return a small sound file of a suffix; the companion of `.mhd` stays in `tmp_path`."""

    def make(suffix: str) -> bytes:
        rng = np.random.default_rng(5)
        if suffix in VOLUME_SUFFIXES:
            array = rng.integers(-100, 2000, (7, 6, 5)).astype(np.int16)
            return write_volume(array, oblique, suffix, name="sound").read_bytes()
        from PIL import Image

        out = io.BytesIO()
        picture = Image.fromarray(rng.integers(0, 255, (9, 8, 3)).astype(np.uint8))
        if suffix == ".tif":
            picture.save(out, "TIFF", compression="tiff_adobe_deflate")
        else:
            picture.save(out, "PNG" if suffix == ".png" else "JPEG")
        return out.getvalue()

    return make


@pytest.fixture
def edited_nifti(tmp_path: Path) -> Callable[..., Path]:
    """Write a NIfTI file whose header fields were changed by hand after it was made."""

    def write(
        array: npt.NDArray[Any],
        *,
        name: str = "edited.nii",
        order: Literal["<", ">"] = "<",
        **fields: Any,
    ) -> Path:
        header = nib.Nifti1Header(endianness=order)
        header.set_data_dtype(array.dtype.newbyteorder(order))
        header.set_data_shape(array.shape)
        header["magic"], header["vox_offset"] = b"n+1", 352
        header["sform_code"] = 1
        for row, axis in zip(("srow_x", "srow_y", "srow_z"), range(3), strict=True):
            header[row] = np.eye(4)[axis]
        for field, value in fields.items():
            header[field] = value
        voxels = array.astype(array.dtype.newbyteorder(order)).tobytes(order="F")
        data = header.binaryblock + b"\0" * 4 + voxels
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write
