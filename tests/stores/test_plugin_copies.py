"""Copies of plugin code are whole, never changed, and gone when nothing needs them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from limner.errors import PluginFailed, StorageFull
from limner.registry import digest_of_path
from limner.stores.plugin_copies import PluginCopies


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("A = 1\n")
    (folder / "inner" / "tool").write_text("#!/bin/sh\n")
    (folder / "inner" / "tool").chmod(0o755)
    (folder / "again").symlink_to(folder / "inner")
    (folder / "alias.py").symlink_to("__init__.py")
    return folder


@pytest.fixture
def kept(tmp_path: Path) -> PluginCopies:
    return PluginCopies(tmp_path / "home" / "plugins")


def keep(copies: PluginCopies, place: Path) -> Path:
    with copies.aside(place) as copy:
        return copies.keep(copy, digest_of_path(copy))


def test_a_copy_is_like_the_original_and_leads_nowhere_else(
    kept: PluginCopies, package: Path, tmp_path: Path
) -> None:
    copy = keep(kept, package)
    digest = digest_of_path(package)
    assert copy == tmp_path / "home" / "plugins" / digest / "mine"
    assert digest_of_path(copy) == digest
    assert os.access(copy / "inner" / "tool", os.X_OK)
    assert not os.access(copy / "__init__.py", os.X_OK)
    assert (copy / "again" / "tool").resolve() == copy / "inner" / "tool"
    assert (copy / "alias.py").read_text() == "A = 1\n"
    (package / "__init__.py").write_text("A = 2\n")
    assert (copy / "alias.py").read_text() == (copy / "__init__.py").read_text() == "A = 1\n"
    assert not any((tmp_path / "home" / "plugins" / ".incoming").iterdir())


def test_a_copy_that_was_changed_is_not_found_and_is_replaced(
    kept: PluginCopies, package: Path
) -> None:
    copy, digest = keep(kept, package), digest_of_path(package)
    inode = (copy / "__init__.py").stat().st_ino
    assert keep(kept, package) == copy
    assert (copy / "__init__.py").stat().st_ino == inode
    assert kept.find(digest, "mine") == copy
    (copy / "__init__.py").write_text("A = 3\n")
    assert kept.find(digest, "mine") is None
    assert keep(kept, package) == copy
    assert kept.find(digest, "mine") == copy
    assert kept.find(digest, "other") is None


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("..", "links to something outside"),
        ("absent", "links to nothing"),
        (".hidden", "links to a folder that is left out"),
    ],
)
def test_a_link_that_would_break_is_refused(
    kept: PluginCopies, package: Path, target: str, words: str
) -> None:
    (package / ".hidden").mkdir()
    (package / "link").symlink_to(target)
    with pytest.raises(PluginFailed, match=words), kept.aside(package):
        pass


def test_a_link_to_a_file_counts_as_much_as_the_file(
    kept: PluginCopies, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.registry.code_state.MOST_BYTES", 100)
    (package / "data").write_bytes(b"x" * 60)
    with kept.aside(package):
        pass
    (package / "link").symlink_to("data")
    with pytest.raises(PluginFailed, match="holds more than"), kept.aside(package):
        pass


def test_a_full_disk_is_said_and_leaves_nothing(
    kept: PluginCopies, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("limner.stores.plugin_copies.os.fsync", full)
    with pytest.raises(StorageFull), kept.aside(package):
        pass
    assert not any((tmp_path / "home" / "plugins" / ".incoming").iterdir())


def test_a_sweep_leaves_what_is_needed_and_what_belongs_to_others(
    kept: PluginCopies, package: Path, tmp_path: Path
) -> None:
    kept.sweep([])  # nothing is there yet
    old = keep(kept, package)
    (package / "__init__.py").write_text("A = 2\n")
    new = keep(kept, package)
    theirs = tmp_path / "home" / "plugins" / "somebody's.py"
    theirs.write_text("")
    crashed = tmp_path / "home" / "plugins" / ".incoming" / "f00d" / "half.py"
    crashed.parent.mkdir(parents=True)
    crashed.write_text("")
    kept.sweep([(new.parent.name, new.name)])
    assert new.exists()
    assert theirs.exists()
    assert not old.exists()
    assert not crashed.exists()
