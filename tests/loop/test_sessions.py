"""Sessions: images that are kept for a while, and no samples."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.loop.session_files import contents, folders, kept, zipped

from limner.errors import (
    ImageError,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    StorageFull,
)
from limner.loop import sessions as sessions_module
from limner.loop.service import Service
from limner.registry import Registry
from limner.settings import Limits, Settings

HOUR = 3600


@pytest.fixture
def keeping(house: Any) -> Any:
    house.project()
    return house


# How long they last


def test_a_session_keeps_its_files_as_they_came(keeping: Any) -> None:
    files = (("b.nii", b"second"), ("a.nii", b"first"))
    session = kept(keeping, *files)
    assert session.files == ["b.nii", "a.nii"]
    assert contents(keeping, session) == dict(files)
    assert keeping.sessions.get("liver", session.id) == session
    assert keeping.sessions.place(session) == keeping.root / "home" / "sessions" / session.id
    assert keeping.samples.list("liver").items == []


def test_an_id_cannot_be_guessed_and_names_one_folder(keeping: Any) -> None:
    ids = {kept(keeping, ("a.nii", b"1")).id for _ in range(3)}
    assert len(ids) == 3
    assert {len(each) for each in ids} == {32}
    assert folders(keeping) == sorted(ids)


def test_a_session_expires_by_the_clock(keeping: Any) -> None:
    session = kept(keeping, ("a.nii", b"1"), expiry_s=60)
    keeping.clock.now += 60
    assert keeping.sessions.get("liver", session.id) == session
    keeping.clock.now += 0.5
    with pytest.raises(NotFound, match="Not Found"):
        keeping.sessions.get("liver", session.id)


def test_a_session_that_is_used_lasts_for_its_full_time_again(keeping: Any) -> None:
    session = kept(keeping, ("a.nii", b"1"), expiry_s=60)
    for _ in range(3):
        keeping.clock.now += 50
        found = keeping.sessions.get("liver", session.id, touch=True)
        assert found.last_access_at == keeping.clock()
    keeping.clock.now += 50
    assert keeping.sessions.get("liver", session.id).last_access_at == keeping.clock() - 50
    keeping.clock.now += 11
    with pytest.raises(NotFound):
        keeping.sessions.get("liver", session.id, touch=True)


@pytest.mark.parametrize(
    ("asked", "given"),
    [(0, HOUR), (-5, HOUR), (60, 60), (HOUR + 1, HOUR), (1e300, HOUR), (float("inf"), HOUR),
     (float("nan"), HOUR)],
)  # fmt: skip
def test_no_session_lasts_longer_than_the_settings_say(
    keeping: Any, asked: float, given: float
) -> None:
    assert kept(keeping, ("a.nii", b"1"), expiry_s=asked).expiry_s == given


def test_what_has_expired_goes_with_its_files_when_the_next_is_made(keeping: Any) -> None:
    old = kept(keeping, ("a.nii", b"1"), expiry_s=60)
    long = kept(keeping, ("a.nii", b"1"))
    keeping.clock.now += 61
    new = kept(keeping, ("a.nii", b"1"))
    assert folders(keeping) == sorted([long.id, new.id])
    keeping.clock.now -= 61
    with pytest.raises(NotFound):
        keeping.sessions.get("liver", old.id)
    assert keeping.sessions.sweep() == 0


def test_a_removed_session_is_gone_with_its_files(keeping: Any) -> None:
    session = kept(keeping, ("a.nii", b"1"))
    assert keeping.sessions.remove("liver", session.id) == session
    assert folders(keeping) == []
    with pytest.raises(NotFound):
        keeping.sessions.remove("liver", session.id)


def test_another_project_never_sees_a_session(keeping: Any) -> None:
    keeping.projects.create(keeping.config(name="other"))
    session = kept(keeping, ("a.nii", b"1"))
    for refused in (keeping.sessions.get, keeping.sessions.remove):
        with pytest.raises(NotFound):
            refused("other", session.id)
        with pytest.raises(NotFound):
            refused("none", session.id)
    assert folders(keeping) == [session.id]


@pytest.mark.parametrize("session_id", ["", ".", "..", "../x", "/etc", "a" * 5000, "é\x00"])
def test_a_strange_id_is_not_found(keeping: Any, session_id: str) -> None:
    with pytest.raises(NotFound) as refused:
        keeping.sessions.get("liver", session_id)
    assert len(str(refused.value)) < 300


class Idle:
    """An engine that nothing is asked of."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def status(self) -> list[Any]:
        return []


def test_sessions_survive_a_start_and_debris_does_not(keeping: Any) -> None:
    kept_one = kept(keeping, ("a.nii", b"1"))
    expired = kept(keeping, ("a.nii", b"1"), expiry_s=60)
    keeping.clock.now += 61
    debris = keeping.root / "home" / "sessions" / "debris"
    debris.mkdir()
    (debris / "half.nii").write_bytes(b"x")
    service = Service(
        Settings(home=keeping.root / "home"),
        keeping.records,
        Idle(),  # type: ignore[arg-type]
        Registry(),  # a start checks given plugins, and those of these tests only say what they are
        keeping.clock,
    )
    service.start()
    try:
        assert folders(keeping) == [kept_one.id]
        assert service.sessions.get("liver", kept_one.id) == kept_one
        assert contents(keeping, kept_one) == {"a.nii": b"1"}
        with pytest.raises(NotFound):
            service.sessions.get("liver", expired.id)
    finally:
        service.stop()


# What they hold


@pytest.mark.parametrize(
    ("told", "name"),
    [("a.nii", "a.nii"), ("/tmp/x/a.nii", "a.nii"), ("C:\\scans\\a.nii", "a.nii"), ("é b", "é b")],
)
def test_a_file_is_called_by_the_last_part_of_its_path(keeping: Any, told: str, name: str) -> None:
    session = kept(keeping, (told, b"1"))
    assert session.files == [name]
    assert folders(keeping) == [session.id]
    assert os.listdir(keeping.sessions.place(session)) == [name]


@pytest.mark.parametrize(
    "name", ["", "/", "..", "a/..", ".hidden", "a\x00b", "a\nb", "\udcff", "é" * 128]
)
def test_a_name_that_cannot_be_used_is_refused_and_leaves_nothing(keeping: Any, name: str) -> None:
    with pytest.raises(InvalidRequest):
        kept(keeping, ("a.nii", b"1"), (name, b"2"))
    assert folders(keeping) == []


def test_two_files_of_one_name_are_refused(keeping: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"two files 'a\.nii'"):
        kept(keeping, ("x/a.nii", b"1"), ("y/a.nii", b"2"))
    assert folders(keeping) == []


def test_no_file_and_too_many_are_refused(keeping: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequest, match="1 to 10000 files"):
        kept(keeping)
    monkeypatch.setattr(sessions_module, "MOST_FILES", 2)
    with pytest.raises(InvalidRequest, match="1 to 2 files"):
        kept(keeping, *((f"{number}.nii", b"1") for number in range(3)))
    with pytest.raises(InvalidRequest, match="more than 2 files"):
        kept(keeping, zipped(("a", b""), ("b", b""), ("c", b"")), unpack=True)
    assert folders(keeping) == []


def test_files_over_the_limits_are_refused_together(keeping: Any) -> None:
    keeping.projects._limits = Limits(max_file_bytes=10)
    kept(keeping, ("a.nii", b"12345"), ("b.nii", b"12345"))
    with pytest.raises(PayloadTooLarge, match="10 bytes of max_file_bytes"):
        kept(keeping, ("a.nii", b"12345"), ("b.nii", b"123456"))
    assert len(folders(keeping)) == 1


def test_a_full_disk_is_told_and_leaves_nothing(
    keeping: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(stream: object) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sessions_module, "chunks_of", full)
    with pytest.raises(StorageFull):
        kept(keeping, ("a.nii", b"1"))
    assert folders(keeping) == []


# What a model sees of them


def volume_bytes(house: Any) -> bytes:
    path: Path = house.volume("elsewhere/v.nii")
    return path.read_bytes()


def test_a_session_of_one_image_is_that_image(keeping: Any) -> None:
    session = kept(keeping, ("v.nii", volume_bytes(keeping)), ("notes.txt", b"?"))
    source = keeping.sessions.source("liver", session)
    assert source.name == "v.nii"
    assert source.header().shape == (5, 4, 3)
    assert source.read().array.shape == (1, 5, 4, 3)


METAIMAGE = """ObjectType = Image
NDims = 3
DimSize = 5 4 3
ElementSpacing = 1 1 2
ElementType = MET_UCHAR
ElementDataFile = {file}
"""


def test_a_header_and_its_pixels_are_one_image(keeping: Any) -> None:
    header = METAIMAGE.format(file="v.raw").encode()
    session = kept(keeping, ("v.mhd", header), ("v.raw", bytes(range(60))))
    source = keeping.sessions.source("liver", session)
    assert source.read().array.ravel(order="F").tolist() == list(range(60))


@pytest.mark.parametrize("file", ["../../limner.sqlite", "/etc/passwd", "../v.raw"])
def test_a_header_whose_pixels_lie_outside_the_session_is_refused(keeping: Any, file: str) -> None:
    session = kept(keeping, ("v.mhd", METAIMAGE.format(file=file).encode()))
    with pytest.raises(ImageError):
        keeping.sessions.source("liver", session).read()


@pytest.mark.parametrize("names", [("a.nii", "b.nii"), ("a.txt",), ("a.dcm", "b.dcm")])
def test_a_session_of_no_image_or_several_says_so(keeping: Any, names: tuple[str, ...]) -> None:
    session = kept(keeping, *((name, b"1") for name in names))
    with pytest.raises(ImageError, match=f"has {len(names)} files"):
        keeping.sessions.source("liver", session)
