"""Archives of a session: unpacked whole, and refused where they mean harm."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from tests.loop.session_files import contents, folders, kept, tarred, zipped

from limner.errors import InvalidRequest, LimnerError
from limner.settings import Limits
from limner.stores import archives

MIB = 1 << 20


@pytest.fixture
def keeping(house: Any) -> Any:
    house.project()
    return house


def entry_of(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry, b""


MEMBERS = (("series/a.nii", b"first" * 1000), ("series/deep/b.nii", b""), ("c.nii", b"x" * 512))


@pytest.mark.parametrize(
    "pack",
    [
        lambda: zipped(*MEMBERS),
        lambda: zipped(*MEMBERS, by=zipfile.ZIP_STORED),
        lambda: tarred(*MEMBERS),
        lambda: tarred(*MEMBERS, mode="w:gz"),
        lambda: tarred(*MEMBERS, mode="w:bz2"),
    ],
    ids=["zip", "stored", "tar", "gz", "bz2"],
)
def test_the_files_of_an_archive_are_kept_without_their_folders(
    keeping: Any, pack: Callable[[], tuple[str, bytes]]
) -> None:
    session = kept(keeping, pack(), unpack=True)
    expected = {Path(name).name: content for name, content in MEMBERS}
    assert contents(keeping, session) == expected


def test_an_archive_is_a_file_where_nobody_asked_to_unpack_it(keeping: Any) -> None:
    archive = zipped(*MEMBERS)
    assert contents(keeping, kept(keeping, archive)) == {archive[0]: archive[1]}


def test_a_tar_that_ends_with_a_zip_is_a_tar(keeping: Any) -> None:
    inner = zipped(("inner.nii", b"1"))
    session = kept(keeping, tarred(inner), unpack=True)
    assert contents(keeping, session) == {inner[0]: inner[1]}


def test_a_large_file_comes_out_whole(keeping: Any) -> None:
    content = np.random.default_rng(0).integers(0, 9, 5 * MIB + 7, dtype=np.uint8).tobytes()
    for archive in (zipped(("a.raw", content)), tarred(("a.raw", content), mode="w:gz")):
        assert contents(keeping, kept(keeping, archive, unpack=True)) == {"a.raw": content}


@pytest.mark.parametrize("name", ["../x.nii", "/etc/x.nii", "..\\x.nii", "C:\\x.nii", "a/../x.nii"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_member_never_leaves_the_folder_of_its_session(
    keeping: Any, pack: Callable[..., tuple[str, bytes]], name: str
) -> None:
    before = {path for path in keeping.root.rglob("*") if "sessions" not in path.parts}
    session = kept(keeping, pack((name, b"1")), unpack=True)
    assert contents(keeping, session) == {"x.nii": b"1"}
    assert {path for path in keeping.root.rglob("*") if "sessions" not in path.parts} == before


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("name", ["..", "a/..", ".hidden", "a\x01.nii", "n" * 300])
def test_a_member_whose_name_cannot_be_used_is_refused(
    keeping: Any, pack: Callable[..., tuple[str, bytes]], name: str
) -> None:
    with pytest.raises(InvalidRequest):
        kept(keeping, pack(("a.nii", b"1"), (name, b"1")), unpack=True)
    assert folders(keeping) == []


@pytest.mark.parametrize(
    "link",
    [
        entry_of("a.nii", tarfile.SYMTYPE, "/etc/passwd"),
        entry_of("a.nii", tarfile.SYMTYPE, "../../limner.sqlite"),
        entry_of("a.nii", tarfile.LNKTYPE, "/etc/passwd"),
        entry_of("a.nii", tarfile.LNKTYPE, "b.nii"),
        entry_of("a.nii", tarfile.FIFOTYPE),
        entry_of("a.nii", tarfile.CHRTYPE),
        entry_of("a.nii", tarfile.DIRTYPE),
    ],
    ids=["symlink", "symlink-up", "link", "link-inside", "pipe", "device", "folder"],
)
def test_only_plain_files_of_a_tar_are_kept(keeping: Any, link: Any) -> None:
    session = kept(keeping, tarred(link, ("b.nii", b"1")), unpack=True)
    assert contents(keeping, session) == {"b.nii": b"1"}
    (path,) = keeping.sessions.place(session).iterdir()
    assert not path.is_symlink()


def test_a_link_of_a_zip_is_kept_as_the_text_that_it_is(keeping: Any) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        link = zipfile.ZipInfo("a.nii")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    session = kept(keeping, ("files.zip", data.getvalue()), unpack=True)
    assert contents(keeping, session) == {"a.nii": b"/etc/passwd"}
    assert not keeping.sessions.paths(session)[0].is_symlink()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("names", [("a.nii", "a.nii"), ("x/a.nii", "y/a.nii")])
def test_members_of_one_name_are_refused(
    keeping: Any, pack: Callable[..., tuple[str, bytes]], names: tuple[str, str]
) -> None:
    with pytest.raises(InvalidRequest, match=r"two files 'a\.nii'"):
        kept(keeping, pack(*((name, b"1") for name in names)), unpack=True)
    assert folders(keeping) == []


def test_one_archive_is_unpacked_not_several(keeping: Any) -> None:
    with pytest.raises(InvalidRequest, match="One archive"):
        kept(keeping, zipped(*MEMBERS), zipped(*MEMBERS), unpack=True)


def quoted(size: int) -> bytes:
    """Return a tar header that says that a name of so many bytes follows."""
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, size
    return entry.tobuf(tarfile.GNU_FORMAT)


def odd(size: int) -> bytes:
    """Return a tar header of an entry of no known kind that says that it is so large."""
    entry = tarfile.TarInfo("odd")
    entry.type, entry.size = b"Z", size
    return entry.tobuf(tarfile.GNU_FORMAT)


ZEROS = 200 * MIB


@pytest.mark.parametrize(
    "bomb",
    [
        lambda: zipped(("a.raw", bytes(ZEROS))),
        lambda: zipped(("a.raw", bytes(ZEROS)), by=zipfile.ZIP_BZIP2),
        lambda: tarred(("a.raw", bytes(ZEROS)), mode="w:gz"),
        lambda: tarred(("a.raw", bytes(ZEROS)), mode="w:bz2"),
        lambda: ("a.tar", gzip.compress(quoted(ZEROS) + bytes(ZEROS), 1)),
        lambda: ("a.tar", gzip.compress(odd(ZEROS) + bytes(ZEROS), 1)),
        lambda: ("a.tar", quoted(4 << 30)),
    ],
    ids=["zip", "zip-bzip2", "gz", "bz2", "long-name", "skipped", "claims"],
)
def test_a_bomb_is_refused_in_little_memory(
    keeping: Any, bomb: Callable[[], tuple[str, bytes]]
) -> None:
    archive = bomb()
    assert len(archive[1]) < 2 * MIB
    keeping.projects._limits = Limits(max_file_bytes=20 * MIB)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequest):
            kept(keeping, archive, unpack=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60 * MIB
    assert folders(keeping) == []


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_of_endless_entries_is_refused(
    keeping: Any, pack: Callable[..., tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MOST_ENTRIES", 5)
    with pytest.raises(InvalidRequest, match="more than 5 entries"):
        kept(keeping, pack(*((f"{number}/", b"") for number in range(6))), unpack=True)
    assert folders(keeping) == []


def test_a_list_of_entries_that_is_too_large_is_not_read(keeping: Any) -> None:
    name, data = zipped(("a.nii", b"1"))
    place = data.rindex(b"PK\5\6")
    large = data[: place + 12] + struct.pack("<L", 65 * MIB) + data[place + 16 :]
    long = data[:place] + struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1) + data[place:]
    for bad in (large, long):
        with pytest.raises(InvalidRequest, match="list of entries is too large"):
            kept(keeping, (name, bad), unpack=True)


def cut(archive: tuple[str, bytes]) -> tuple[str, bytes]:
    return archive[0], archive[1][: len(archive[1]) // 5]


def flipped(archive: tuple[str, bytes]) -> tuple[str, bytes]:
    data = bytearray(archive[1])
    for place in range(60, min(len(data) - 30, 120)):
        data[place] ^= 0xA5
    return archive[0], bytes(data)


NOISE = np.random.default_rng(0).bytes(4000)


@pytest.mark.parametrize(
    "archive",
    [
        ("a.zip", b""),
        ("a.zip", b"PK\3\4"),
        ("a.zip", b"PK\5\6" + bytes(5)),
        ("a.tar", b"no archive at all"),
        ("a.tar", NOISE),
        ("a.tar.gz", gzip.compress(NOISE)),
        ("a.tar.gz", b"\x1f\x8b" + NOISE),
        ("a.tar.bz2", b"BZh9" + NOISE),
        ("a.tar.bz2", bz2.compress(NOISE)),
        ("a.tar.xz", lzma.compress(tarred(*MEMBERS)[1])),
        zipped(*MEMBERS, by=zipfile.ZIP_LZMA),
        zipped(*MEMBERS, by=zipfile.ZIP_BZIP2),
        cut(zipped(("a", NOISE))),
        cut(tarred(("a", NOISE))),
        cut(tarred(("a", NOISE), mode="w:gz")),
        cut(tarred(("a", NOISE), mode="w:bz2")),
        flipped(zipped(("a", NOISE))),
        flipped(tarred(("a", NOISE), mode="w:gz")),
        flipped(tarred(("a", NOISE), mode="w:bz2")),
        zipped(),
        tarred(),
        zipped(("folder/", b"")),
    ],
    ids=lambda archive: None,
)
def test_what_is_no_archive_or_damaged_is_refused_and_leaves_nothing(
    keeping: Any, archive: tuple[str, bytes]
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        kept(keeping, archive, unpack=True)
    assert isinstance(refused.value, LimnerError)
    assert folders(keeping) == []


def test_an_encrypted_member_is_refused(keeping: Any) -> None:
    name, data = zipped(("a.nii", b"1"), by=zipfile.ZIP_STORED)
    marked = data.replace(b"PK\3\4\x14\0\0\0", b"PK\3\4\x14\0\1\0")
    marked = marked.replace(b"PK\1\2\x14\3\x14\0\0\0", b"PK\1\2\x14\3\x14\0\1\0")
    assert marked != data
    with pytest.raises(InvalidRequest, match="encrypted"):
        kept(keeping, (name, marked), unpack=True)


@pytest.mark.parametrize("seed", range(4))
def test_an_archive_with_random_damage_never_raises_what_nobody_expects(
    keeping: Any, seed: int
) -> None:
    random = np.random.default_rng(seed)
    good = [
        zipped(*MEMBERS),
        tarred(*MEMBERS),
        tarred(*MEMBERS, mode="w:gz"),
        tarred(*MEMBERS, mode="w:bz2"),
    ]
    for name, data in good * 25:
        bad = bytearray(data)
        for place in random.integers(0, len(bad), random.integers(1, 8)):
            bad[place] = random.integers(0, 256)
        try:
            kept(keeping, (name, bytes(bad)), unpack=True)
        except InvalidRequest:
            continue


def test_a_session_of_a_volume_in_an_archive_is_that_volume(keeping: Any) -> None:
    data = nibabel.Nifti1Image(np.zeros((5, 4, 3), np.uint8), np.eye(4)).to_bytes()
    session = kept(keeping, zipped(("x/v.nii", data)), unpack=True)
    assert keeping.sessions.source("liver", session).header().shape == (5, 4, 3)
