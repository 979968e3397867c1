from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from limner.errors import (
    Conflict,
    ImageTooLarge,
    InvalidRequest,
    StorageFull,
    UnreadableImage,
    UnsupportedFormat,
)
from limner.settings import Limits
from limner.stores import Entry, FolderStore

PNG = bytes(imagecodecs.png_encode(np.arange(12, dtype=np.uint8).reshape(3, 4)))


def _visible(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


def test_an_upload_is_a_sample_like_any_other(root: Path, limits: Limits) -> None:
    store = FolderStore(root)
    entry = store.add("Ünder way + 1.png", io.BytesIO(PNG), limits)
    assert entry.name == "Ünder way + 1"
    assert (root / "Ünder way + 1.png").read_bytes() == PNG
    assert list(store.scan()) == [entry]
    assert store.source(entry.files, limits, "OT", entry.name).header().shape == (3, 4)


@pytest.mark.parametrize(
    "name",
    ["../a.png", "a/b.png", "a\\b.png", ".hidden.png", "", "a\n.png", " a.png", "a.png ",
     "\udcff.png", "n" * 252 + ".png", "/etc/a.png", "a\0.png"],
)  # fmt: skip
def test_a_name_that_is_no_plain_name_is_refused(name: str, root: Path, limits: Limits) -> None:
    with pytest.raises(InvalidRequest, match="cannot be used"):
        FolderStore(root).add(name, io.BytesIO(PNG), limits)
    assert _visible(root) == []


@pytest.mark.parametrize("name", ["a.txt", "a", "a.mhd", "a.exe"])
def test_what_is_no_whole_image_is_refused(name: str, root: Path, limits: Limits) -> None:
    with pytest.raises(UnsupportedFormat):
        FolderStore(root).add(name, io.BytesIO(PNG), limits)


def test_damaged_and_large_uploads_leave_nothing(root: Path, limits: Limits) -> None:
    store = FolderStore(root)
    with pytest.raises(UnreadableImage):
        store.add("a.png", io.BytesIO(PNG[:40]), limits)
    with pytest.raises(ImageTooLarge, match="max_file_bytes"):
        store.add("a.png", io.BytesIO(PNG), Limits(max_file_bytes=50))
    with pytest.raises(ImageTooLarge, match="max_voxels"):
        store.add("a.png", io.BytesIO(PNG), Limits(max_voxels=11))
    assert _visible(root) == []


@pytest.mark.parametrize("taken", ["a.png", "a.nii.gz", "a.jpeg"])
def test_nothing_is_overwritten_or_doubled(taken: str, root: Path, limits: Limits) -> None:
    (root / taken).write_bytes(b"was here first")
    with pytest.raises(Conflict, match="already"):
        FolderStore(root).add("a.png", io.BytesIO(PNG), limits)
    assert (root / taken).read_bytes() == b"was here first"
    assert _visible(root) == [taken]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_overwritten(
    has_links: bool, root: Path, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            (root / "a.png").write_bytes(b"was faster")
            return super().read(size)

    if not has_links:

        def refuse(*_: object) -> None:
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(Conflict):
        FolderStore(root).add("a.png", Slow(PNG), limits)
    assert (root / "a.png").read_bytes() == b"was faster"


def test_file_systems_without_hard_links_will_do(
    root: Path, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    FolderStore(root).add("a.png", io.BytesIO(PNG), limits)
    assert (root / "a.png").read_bytes() == PNG
    assert _visible(root) == ["a.png"]


def test_a_full_disk_and_a_read_only_folder_are_said(
    root: Path, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    for number, error in ((errno.ENOSPC, StorageFull), (errno.EROFS, Conflict)):

        def fail(*_: object, number: int = number) -> int:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "write", fail)
        with pytest.raises(error):
            FolderStore(root).add("a.png", io.BytesIO(PNG), limits)
    monkeypatch.setattr(os, "write", write)
    assert _visible(root) == []


def test_half_written_uploads_of_long_ago_are_swept(
    root: Path, limits: Limits, put: Callable[..., Path]
) -> None:
    old, new = put(".limner-incoming/old.part"), put(".limner-incoming/new.part")
    os.utime(old, (0, 0))
    entry = FolderStore(root).add("a.png", io.BytesIO(PNG), limits)
    assert isinstance(entry, Entry)
    assert not old.exists()
    assert new.exists()
