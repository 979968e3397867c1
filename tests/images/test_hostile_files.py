"""Whatever is in a file: an image comes out, or one of our own errors that says what to do."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limner.errors import ImageError, ImageTooLarge, UnreadableImage, UnsupportedFormat
from limner.images import read_header, read_image, read_mask
from limner.settings import Limits

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".png", ".jpg", ".tif")
SMALL = Limits(max_voxels=100_000, max_file_bytes=1 << 20)


def _accept_image_or_own_error(path: Path) -> None:
    for read in (read_image, read_mask):
        try:
            result = read(path, SMALL)
        except ImageError:
            continue
        else:
            assert result.array.size <= SMALL.max_voxels
            assert np.isfinite(result.array.astype(np.float64)).all()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_cut_anywhere_is_refused_or_whole(
    suffix: str, tmp_path: Path, sample_bytes: Callable[[str], bytes]
) -> None:
    data = sample_bytes(suffix)
    path = tmp_path / f"sound{suffix}"
    path.write_bytes(data)
    whole = read_image(path, SMALL)
    refused = 0
    for cut in sorted({int(part) for part in np.linspace(0, len(data) - 1, 25)}):
        path.write_bytes(data[:cut])
        try:
            read_header(path, SMALL)
            image = read_image(path, SMALL)
        except ImageError:
            refused += 1
        else:
            assert np.array_equal(image.array, whole.array), cut
    assert refused >= 20


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha", ".png", ".jpg", ".tif"])
def test_a_header_alone_shows_that_the_end_is_missing(
    suffix: str, tmp_path: Path, sample_bytes: Callable[[str], bytes]
) -> None:
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(sample_bytes(suffix)[:-9])
    with pytest.raises(UnreadableImage):
        read_header(path, SMALL)


def test_a_cut_gzip_is_found_without_reading_pixels(
    tmp_path: Path, sample_bytes: Callable[[str], bytes]
) -> None:
    path = tmp_path / "cut.nii.gz"
    path.write_bytes(sample_bytes(".nii.gz")[:-60])
    with pytest.raises(UnreadableImage, match="truncated"):
        read_header(path, SMALL)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_flipped_bytes_never_raise_a_foreign_error(
    suffix: str,
    tmp_path: Path,
    sample_bytes: Callable[[str], bytes],
    data: st.DataObject,
) -> None:
    path = tmp_path / f"sound{suffix}"
    sound = tmp_path / f"kept{suffix}.bytes"
    if not sound.exists():
        sound.write_bytes(sample_bytes(suffix))
    raw = bytearray(sound.read_bytes())
    head = st.integers(0, min(len(raw), 400) - 1)
    anywhere = st.integers(0, len(raw) - 1)
    for at in data.draw(st.lists(st.one_of(head, anywhere), min_size=1, max_size=6)):
        raw[at] = data.draw(st.sampled_from((0, 1, 0x20, 0x30, 0x39, 0x7F, 0x80, 0xFF)))
    path.write_bytes(bytes(raw))
    _accept_image_or_own_error(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(body=st.binary(max_size=300))
def test_rubbish_is_refused(
    suffix: str, body: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / f"rubbish{suffix}"
    path.write_bytes(body)
    with pytest.raises(ImageError):
        read_image(path, SMALL)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_of_another_format_is_named(
    suffix: str, tmp_path: Path, sample_bytes: Callable[[str], bytes]
) -> None:
    other, name = (".jpg", "JPEG") if suffix == ".png" else (".png", "PNG")
    path = tmp_path / f"wrong{suffix}"
    path.write_bytes(sample_bytes(other))
    with pytest.raises(UnreadableImage, match=f"looks like {name}"):
        read_header(path, SMALL)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    import os

    (tmp_path / "folder.nii").mkdir()
    os.mkfifo(tmp_path / "pipe.nii")
    (tmp_path / "empty.nii").touch()
    (tmp_path / "link.nii").symlink_to(tmp_path / "nowhere")
    for name, message in {
        "folder.nii": "not a file",
        "pipe.nii": "not a file",
        "empty.nii": "is empty",
        "link.nii": "No such file",
        "absent.nii": "No such file",
    }.items():
        with pytest.raises(UnreadableImage, match=message):
            read_image(tmp_path / name, SMALL)
    with pytest.raises(UnsupportedFormat, match="does not say a format"):
        read_image(tmp_path / "notes.txt", SMALL)


def test_a_file_over_the_limit_is_not_opened(
    tmp_path: Path, sample_bytes: Callable[[str], bytes]
) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(sample_bytes(".nii"))
    with pytest.raises(ImageTooLarge, match="max_file_bytes"):
        read_header(path, Limits(max_file_bytes=100))
    with pytest.raises(ImageTooLarge, match=r"210 voxels .* more than the 209 of max_voxels"):
        read_header(path, Limits(max_voxels=209))


def _claims(shape: tuple[int, int, int], tmp_path: Path) -> list[Path]:
    """Write tiny files that claim a gigantic image, one of each format."""
    import nibabel as nib

    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape(shape)
    header["magic"], header["vox_offset"] = b"n+1", 352
    nifti = bytes(header.binaryblock) + bytes(100)
    sizes = " ".join(map(str, shape))
    body = zlib.compress(bytes(1000))
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", shape[0], shape[1], 8, 0, 0, 0, 0)
    png = (
        b"\x89PNG\r\n\x1a\n\0\0\0\r" + ihdr + struct.pack(">I", zlib.crc32(ihdr))
        + struct.pack(">I", len(body)) + b"IDAT" + body
        + struct.pack(">I", zlib.crc32(b"IDAT" + body)) + b"\0\0\0\0IEND\xaeB`\x82"
    )  # fmt: skip
    files = {
        "a.nii": nifti,
        "a.nii.gz": gzip.compress(nifti),
        "a.nrrd": f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: {sizes}\n".encode()
        + b"encoding: gzip\n\n"
        + gzip.compress(bytes(1000)),
        "a.mha": f"ObjectType = Image\nNDims = 3\nCompressedData = True\nDimSize = {sizes}\n"
        "ElementType = MET_UCHAR\nElementDataFile = LOCAL\n".encode()
        + zlib.compress(bytes(1000)),
        "a.png": png,
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 2), np.uint8), compression="zlib")
    tiff = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        places = [file.pages.first.tags[tag].valueoffset for tag in (256, 257, 278)]
    for place, length in zip(places, (shape[0], shape[1], shape[1]), strict=True):
        size = 2 if length < 65_536 and place == places[2] else 4
        tiff[place : place + size] = length.to_bytes(size, "little")
    (tmp_path / "a.tif").write_bytes(bytes(tiff))
    return [*(tmp_path / name for name in files), tmp_path / "a.tif"]


def test_a_claim_over_the_limit_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        for path in _claims((30_000, 30_000, 30_000), tmp_path):
            with pytest.raises(ImageTooLarge, match="max_voxels"):
                read_image(path, SMALL)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_a_claim_that_the_file_cannot_hold_is_refused_before_memory_is_taken(
    tmp_path: Path,
) -> None:
    generous = Limits(max_voxels=10**15)
    paths = [path for path in _claims((30_000, 30_000, 30_000), tmp_path) if path.suffix != ".tif"]
    tracemalloc.start()
    try:
        for path in paths:
            with pytest.raises(UnreadableImage):
                read_image(path, generous)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_a_stream_that_unpacks_to_far_more_than_announced_is_stopped(
    tmp_path: Path, sample_bytes: Callable[[str], bytes]
) -> None:
    bomb = sample_bytes(".nii") + bytes(200 << 20)
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(bomb, compresslevel=6))
    head = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 2 2\nencoding: "
    zeros = bytes(200 << 20)
    (tmp_path / "bomb.nrrd").write_bytes(head + b"gzip\n\n" + gzip.compress(zeros))
    import bz2

    (tmp_path / "bzip.nrrd").write_bytes(head + b"bzip2\n\n" + bz2.compress(zeros))
    (tmp_path / "bomb.mha").write_bytes(
        b"ObjectType = Image\nNDims = 3\nCompressedData = True\nDimSize = 2 2 2\n"
        b"ElementType = MET_UCHAR\nElementDataFile = LOCAL\n" + zlib.compress(zeros)
    )
    del bomb, zeros
    tracemalloc.start()
    try:
        for name in ("bomb.nii.gz", "bomb.nrrd", "bzip.nrrd", "bomb.mha"):
            with pytest.raises(UnreadableImage, match="far more than"):
                read_image(tmp_path / name, SMALL)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_a_wrong_checksum_is_found(tmp_path: Path, sample_bytes: Callable[[str], bytes]) -> None:
    packed = bytearray(sample_bytes(".nii.gz"))
    packed[-6] ^= 0xFF
    (tmp_path / "a.nii.gz").write_bytes(bytes(packed))
    picture = bytearray(sample_bytes(".png"))
    picture[60] ^= 0x01
    (tmp_path / "a.png").write_bytes(bytes(picture))
    for name in ("a.nii.gz", "a.png"):
        with pytest.raises(UnreadableImage, match="damaged"):
            read_image(tmp_path / name, SMALL)


def test_decoders_log_nothing_of_a_damaged_file(
    tmp_path: Path, sample_bytes: Callable[[str], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    for suffix in (".tif", ".png", ".jpg", ".nii"):
        path = tmp_path / f"Jane Doe{suffix}"
        for cut in (30, 100, 200, 300, 367):
            path.write_bytes(sample_bytes(suffix)[:cut])
            _accept_image_or_own_error(path)
    assert caplog.records == []


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(
    suffix: str, bad: float, write_volume: Callable[..., Path]
) -> None:
    values = np.ones((3, 4, 5), np.float32)
    values[2, 3, 4] = bad
    with pytest.raises(UnreadableImage, match="NaN or infinity"):
        read_image(write_volume(values, np.eye(4), suffix), SMALL)


def test_several_gzip_members_and_padding_are_read(
    tmp_path: Path, sample_bytes: Callable[[str], bytes]
) -> None:
    plain = sample_bytes(".nii")
    (tmp_path / "a.nii").write_bytes(plain)
    half = len(plain) // 2
    (tmp_path / "b.nii.gz").write_bytes(
        gzip.compress(plain[:half]) + gzip.compress(plain[half:]) + bytes(512)
    )
    first = read_image(tmp_path / "a.nii", SMALL)
    assert np.array_equal(first.array, read_image(tmp_path / "b.nii.gz", SMALL).array)
