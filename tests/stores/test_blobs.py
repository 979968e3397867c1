from __future__ import annotations

import errno
import hashlib
import io
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from limner.errors import NotFound, StorageFull
from limner.stores import Blobs


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def _files(blobs_root: Path) -> list[Path]:
    return [path for path in blobs_root.rglob("*") if path.is_file()]


def test_a_blob_lies_under_its_sha256(blobs: Blobs, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    blob = blobs.put_bytes(data)
    assert blob.sha256 == hashlib.sha256(data).hexdigest()
    assert blob.size_bytes == len(data)
    assert blob.path == blobs.path(blob.sha256)
    assert blob.path == tmp_path / "blobs" / blob.sha256[:2] / blob.sha256[2:]
    assert blob.path.read_bytes() == data


def test_the_same_content_is_one_file_whichever_way_it_comes(blobs: Blobs, tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"content")
    ways = {
        blobs.put_bytes(b"content"),
        blobs.put_stream(io.BytesIO(b"content")),
        blobs.put_file(file),
        blobs.put_file(file, move=True),
    }
    assert len(ways) == 1
    assert len(_files(tmp_path / "blobs")) == 1
    assert not file.exists()


def test_moving_takes_the_file_itself(blobs: Blobs, tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"w" * 100_000)
    inode = file.stat().st_ino
    blob = blobs.put_file(file, move=True)
    assert blob.path.stat().st_ino == inode
    assert not file.exists()


def test_moving_across_file_systems_copies(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"from afar")
    rename = os.replace

    def refuse_foreign(source: Any, target: Any) -> None:
        if Path(source) == file:
            raise OSError(errno.EXDEV, "another file system")
        rename(source, target)

    monkeypatch.setattr(os, "replace", refuse_foreign)
    blob = blobs.put_file(file, move=True)
    assert blob.path.read_bytes() == b"from afar"
    assert not file.exists()


def test_moving_a_link_leaves_what_it_points_at(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"kept")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert blobs.put_file(tmp_path / "link", move=True).path.read_bytes() == b"kept"
    assert (tmp_path / "target").exists()


@pytest.mark.parametrize("call", ["write", "fsync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_nothing(
    call: str,
    number: int,
    blobs: Blobs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> int:
        raise OSError(number, "full")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(StorageFull, match="Make room"):
            blobs.put_bytes(b"data")
    assert _files(tmp_path / "blobs") == []
    with pytest.raises(NotFound):
        blobs.path(hashlib.sha256(b"data").hexdigest())
    assert blobs.put_bytes(b"data").path.read_bytes() == b"data"


def test_other_errors_of_the_disk_pass_and_leave_nothing(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="broken"):
        blobs.put_bytes(b"data")
    assert _files(tmp_path / "blobs") == []


def test_a_full_disk_while_moving_leaves_the_file_where_it_was(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"weights")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(StorageFull):
        blobs.put_file(file, move=True)
    assert file.read_bytes() == b"weights"


def test_content_is_synced_before_it_gets_its_name_and_the_folder_after(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs.put_bytes(b"first")
    order: list[str] = []
    sync, rename = os.fsync, os.replace

    def note_sync(file: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{file}") else "file")
        sync(file)

    def note_rename(source: Any, target: Any) -> None:
        order.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_rename)
    blobs.put_bytes(b"second")
    renamed = order.index("rename")
    assert "file" in order[:renamed]
    assert "folder" in order[renamed:]


def test_many_threads_may_store_the_same_and_other_content(blobs: Blobs, tmp_path: Path) -> None:
    contents = [str(number % 5).encode() * 70_000 for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(blobs.put_bytes, contents))
    for content, blob in zip(contents, stored, strict=True):
        assert blob.path.read_bytes() == content
    assert len(_files(tmp_path / "blobs")) == 5


def test_a_stream_that_breaks_leaves_nothing(blobs: Blobs, tmp_path: Path) -> None:
    class Breaks(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            if len(buffer) and self.tell_count():
                raise ConnectionResetError("gone")
            buffer[:3] = b"abc"
            return 3

        reads = 0

        def tell_count(self) -> bool:
            self.reads += 1
            return self.reads > 2

    with pytest.raises(ConnectionResetError):
        blobs.put_stream(io.BufferedReader(Breaks()))
    assert _files(tmp_path / "blobs") == []


def test_what_a_crash_left_is_swept_and_blobs_stay(blobs: Blobs, tmp_path: Path) -> None:
    blob = blobs.put_bytes(b"kept")
    (tmp_path / "blobs" / "incoming" / "half.part").write_bytes(b"ha")
    assert blobs.sweep_temporary() == 1
    assert _files(tmp_path / "blobs") == [blob.path]
    assert Blobs(tmp_path / "nowhere").sweep_temporary() == 0


def test_a_torn_file_is_replaced(blobs: Blobs) -> None:
    blob = blobs.put_bytes(b"whole content")
    blob.path.write_bytes(b"wh")
    assert blobs.put_bytes(b"whole content").path.read_bytes() == b"whole content"


def test_removing_is_final_and_may_be_repeated(blobs: Blobs) -> None:
    blob = blobs.put_bytes(b"old")
    blobs.remove(blob.sha256)
    blobs.remove(blob.sha256)
    with pytest.raises(NotFound, match=blob.sha256):
        blobs.path(blob.sha256)


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n"]
)
def test_what_is_no_sha256_names_nothing(name: str, blobs: Blobs) -> None:
    for ask in (blobs.path, blobs.remove):
        with pytest.raises(NotFound):
            ask(name)


def test_an_absent_file_is_said(blobs: Blobs) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.raises(NotFound, match="no file"):
        blobs.put_file(Path(folder, "absent"), move=True)
