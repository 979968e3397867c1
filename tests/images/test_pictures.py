from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image as Pillow

from limner.errors import ImageTooLarge, UnreadableImage, UnsupportedFormat
from limner.images import read_header, read_image, read_mask
from limner.settings import Limits


def _random(shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    return np.random.default_rng(4).integers(0, np.iinfo(dtype).max, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_values_come_through_without_opacity(
    suffix: str, channels: int, dtype: str, tmp_path: Path, limits: Limits
) -> None:
    stored = _random((5, 7, channels) if channels > 1 else (5, 7), dtype)
    path = tmp_path / f"picture{suffix}"
    if suffix == ".png":
        path.write_bytes(imagecodecs.png_encode(stored))
    else:
        tifffile.imwrite(
            path,
            stored,
            photometric="rgb" if channels > 2 else "minisblack",
            planarconfig="contig" if channels > 1 else None,
            extrasamples=["unassalpha"] if channels in (2, 4) else None,
        )
    image, header = read_image(path, limits), read_header(path, limits)
    kept = 3 if channels > 2 else 1
    expected = np.moveaxis(stored.reshape(5, 7, channels)[:, :, :kept], -1, 0)
    assert np.array_equal(image.array, expected)
    assert image.array.dtype.name == header.dtype == dtype
    assert (header.shape, header.channels, header.kind) == ((5, 7), kept, "picture")
    assert image.affine is None
    assert image.spacing == (1.0, 1.0)
    assert not image.array.flags.writeable


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd"])
@pytest.mark.parametrize("layout", ["strips", "tiles", "planes", "big", "bigtiff"])
def test_tiff_is_read_however_it_is_laid_out(
    layout: str, compression: str | None, tmp_path: Path, limits: Limits
) -> None:
    options: dict[str, dict[str, Any]] = {
        "strips": {"rowsperstrip": 7},
        "tiles": {"tile": (16, 32)},
        "planes": {"planarconfig": "separate"},
        "big": {"byteorder": ">"},
        "bigtiff": {"bigtiff": True},
    }
    is_planes = layout == "planes"
    stored = _random((3, 40, 50) if is_planes else (40, 50, 3), "uint16")
    path = tmp_path / "a.tiff"
    tifffile.imwrite(path, stored, photometric="rgb", compression=compression, **options[layout])
    expected = stored if is_planes else np.moveaxis(stored, -1, 0)
    assert np.array_equal(read_image(path, limits).array, expected)


def test_a_palette_is_colours_in_a_picture_and_values_in_a_mask(
    tmp_path: Path, limits: Limits
) -> None:
    indices = _random((6, 5), "uint8") % 4
    picture = Pillow.fromarray(indices, mode="L").copy()
    picture = picture.convert("P")
    picture.putdata(indices.ravel().tolist())
    colours = np.array([[0, 0, 0], [200, 0, 0], [0, 150, 0], [9, 8, 7]], np.uint8)
    picture.putpalette(colours.ravel().tolist())
    for name in ("a.png", "a.tif"):
        picture.save(tmp_path / name)
        assert np.array_equal(
            read_image(tmp_path / name, limits).array, np.moveaxis(colours[indices], -1, 0)
        )
        assert np.array_equal(read_mask(tmp_path / name, limits).array, indices)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_are_not_stretched(bits: int, tmp_path: Path, limits: Limits) -> None:
    import struct
    import zlib

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    values = np.arange(8) % (1 << bits)
    line = np.packbits(((values[:, None] >> np.arange(bits - 1, -1, -1)) & 1).astype(np.uint8))
    path = tmp_path / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 1, bits, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"\0" + line.tobytes()))
        + chunk(b"IEND", b"")
    )
    assert read_image(path, limits).array.tolist() == [[values.tolist()]]
    assert read_mask(path, limits).array.tolist() == [values.tolist()]


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_is_read_in_grey_and_colour(mode: str, tmp_path: Path, limits: Limits) -> None:
    picture = Pillow.fromarray(np.full((24, 40), 77, np.uint8)).convert(mode)
    path = tmp_path / "a.JPEG"
    picture.save(path, exif=b"Exif\0\0rubbish", comment=b"c" * 60_000)
    image = read_image(path, limits)
    assert image.array.shape == ((1 if mode == "L" else 3), 24, 40)
    assert np.abs(image.array.astype(int) - 77).max() <= 2


def test_jpeg_is_no_mask(tmp_path: Path, limits: Limits) -> None:
    Pillow.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.jpg")
    with pytest.raises(UnsupportedFormat, match="cannot carry a mask"):
        read_mask(tmp_path / "a.jpg", limits)


def test_four_inks_are_refused(tmp_path: Path, limits: Limits) -> None:
    for name in ("a.jpg", "a.tif"):
        Pillow.new("CMYK", (8, 8)).save(tmp_path / name)
        with pytest.raises(UnsupportedFormat):
            read_header(tmp_path / name, limits)


def test_a_tiff_of_several_pictures_is_refused_and_a_pyramid_is_not(
    tmp_path: Path, limits: Limits
) -> None:
    stack = np.zeros((3, 8, 9), np.uint8)
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    tifffile.imwrite(tmp_path / "imagej.tif", stack, imagej=True)
    for name in ("stack.tif", "imagej.tif"):
        with pytest.raises(UnsupportedFormat, match="holds 3 pictures"):
            read_header(tmp_path / name, limits)
    with tifffile.TiffWriter(tmp_path / "pyramid.tif") as out:
        out.write(np.zeros((64, 64), np.uint8))
        out.write(np.zeros((32, 32), np.uint8), subfiletype=1)
    assert read_header(tmp_path / "pyramid.tif", limits).shape == (64, 64)


def test_a_tiff_of_floats_keeps_them_and_refuses_nan(tmp_path: Path, limits: Limits) -> None:
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    tifffile.imwrite(tmp_path / "a.tif", values)
    assert np.array_equal(read_image(tmp_path / "a.tif", limits).array[0], values)
    values[1, 1] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", values)
    with pytest.raises(UnreadableImage, match="not finite"):
        read_image(tmp_path / "a.tif", limits)


def test_a_picture_over_pillows_own_limit_needs_only_ours(tmp_path: Path, limits: Limits) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(imagecodecs.png_encode(np.zeros((100, 950_000), np.uint8), level=1))
    Pillow.new("P", (12_000, 8_000)).save(tmp_path / "palette.png", compress_level=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_header(path, limits).shape == (100, 950_000)
        assert read_mask(tmp_path / "palette.png", limits).array.shape == (8_000, 12_000)
    with pytest.raises(ImageTooLarge, match="max_voxels"):
        read_header(path, Limits(max_voxels=1_000_000))


def test_real_pictures_are_read_as_pillow_reads_them(data_dir: Path, limits: Limits) -> None:
    images = sorted((data_dir / "nuclei" / "images").glob("*.png"))[::40]
    rays = sorted((data_dir / "chest-xray" / "images").glob("*.png"))[::400]
    assert images
    assert rays
    for path in (*images, *rays):
        with Pillow.open(path) as picture:
            expected = np.asarray(picture if picture.mode == "L" else picture.convert("RGB"))
        array = read_image(path, limits).array
        assert np.array_equal(np.moveaxis(array, 0, -1).squeeze(), expected), path


def test_real_masks_of_16_bit_are_read_and_fit_their_images(data_dir: Path, limits: Limits) -> None:
    folder = data_dir / "nuclei"
    for path in sorted((folder / "labels").glob("*.png"))[::40]:
        mask = read_mask(path, limits)
        with Pillow.open(path) as picture:
            assert np.array_equal(mask.array, np.asarray(picture)), path
        assert mask.array.shape == read_header(folder / "images" / path.name, limits).shape
