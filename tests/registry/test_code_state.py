"""A plugin's code has changed if and only if its digest has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from limner.errors import InvalidRequest, PluginFailed
from limner.registry import code_state, digest_of_path, path_inside


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("A = 1\n")
    (folder / "inner" / "part.py").write_text("B = 1\n")
    return folder


def test_whatever_is_code_counts(package: Path) -> None:
    digests = [digest_of_path(package)]
    for change in (
        lambda: (package / "inner" / "part.py").write_text("B = 2\n"),
        lambda: (package / "table.json").write_text("{}"),
        lambda: (package / "table.json").rename(package / "other.json"),
        lambda: (package / "inner" / "part.py").unlink(),
    ):
        change()
        digests.append(digest_of_path(package))
    assert len(set(digests)) == len(digests)


def test_what_is_no_code_does_not_count(package: Path) -> None:
    before = digest_of_path(package)
    for name in ("__pycache__/a.pyc", ".git/HEAD", "inner/.hidden", "env/pyvenv.cfg", "env/lib.py"):
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_text("x")
    os.utime(package / "__init__.py", (1, 1))
    assert digest_of_path(package) == before


def test_a_file_counts_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    before = digest_of_path(tmp_path / "a.py")
    (tmp_path / "a.py").write_text("1")
    assert digest_of_path(tmp_path / "a.py") == before
    (tmp_path / "a.py").write_text("2")
    assert digest_of_path(tmp_path / "a.py") != before


def test_too_much_is_refused(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_state, "MOST_FILES", 1)
    with pytest.raises(PluginFailed, match="more than 1 files"):
        digest_of_path(package)
    monkeypatch.setattr(code_state, "MOST_FILES", 9)
    monkeypatch.setattr(code_state, "MOST_BYTES", 3)
    with pytest.raises(PluginFailed, match="MiB"):
        digest_of_path(package)


def test_links_stay_inside(package: Path, tmp_path: Path) -> None:
    (package / "again").symlink_to(package / "inner")
    before = digest_of_path(package)
    (package / "again").unlink()
    (package / "again").symlink_to(".")
    assert digest_of_path(package) != before
    (tmp_path / "outside").mkdir()
    (package / "out").symlink_to(tmp_path / "outside")
    with pytest.raises(PluginFailed, match="links to something outside"):
        digest_of_path(package)


def test_what_is_neither_file_nor_folder_is_left_out(package: Path) -> None:
    before = digest_of_path(package)
    os.mkfifo(package / "pipe.py")
    assert digest_of_path(package) == before


@pytest.mark.parametrize(
    "given",
    ["../a.py", "/etc/passwd", ".", "", " ", "a\0.py", "a" * 10_000, "sub/../../a.py", "\ud800"],
)
def test_a_path_that_leads_out_is_refused(package: Path, given: str) -> None:
    (package.parent / "a.py").write_text("")
    with pytest.raises(InvalidRequest) as caught:
        path_inside(given, package)
    assert len(str(caught.value)) < 1000


def test_a_path_inside_is_resolved(package: Path) -> None:
    (package / "link.py").symlink_to("inner/part.py")
    part = package / "inner" / "part.py"
    for given in ("inner/part.py", "./inner/../inner/part.py", str(part), "link.py"):
        assert path_inside(given, package) == part
    assert path_inside("mine", package.parent) == package
    with pytest.raises(InvalidRequest, match="No plugin folder is set"):
        path_inside("inner/part.py", None)
    with pytest.raises(InvalidRequest, match=r"has no __init__\.py"):
        path_inside("inner", package)
