"""Fills the templates and puts the files in place: all of them, or none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

from limner.cli.new_project.names import Kind, Names
from limner.errors import SettingsError

_SUFFIX = ".template"


def write_project(kind: Kind, names: Names, folder: Path) -> None:
    """Write the project of a new plugin.

    Args:
        kind: What it is.
        names: What it is called.
        folder: Where to; missing or empty, its parent there.

    Raises:
        SettingsError: The folder cannot be used.
        OSError: It cannot be written; nothing is left of the attempt.
    """
    _check_folder(folder)
    made = not folder.exists()
    with TemporaryDirectory(dir=folder.parent, prefix=".limner-new-") as stage:
        for path, text in _filled(kind, names):
            file = Path(stage, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        folder.mkdir(exist_ok=True)
        try:
            for each in sorted(Path(stage).iterdir()):
                each.rename(folder / each.name)
        except BaseException:
            # The folder was missing or empty, so all that it holds came from here.
            for each in folder.iterdir():
                shutil.rmtree(each) if each.is_dir() else each.unlink()
            if made:
                folder.rmdir()
            raise


def _check_folder(folder: Path) -> None:
    if not folder.parent.is_dir():
        raise SettingsError(f"There is no folder {folder.parent} to put {folder.name} into.")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise SettingsError(f"{folder} is there and is no folder; choose another with --folder.")
    if folder.is_dir() and any(folder.iterdir()):
        raise SettingsError(f"Folder {folder} is not empty; choose another with --folder.")


def _filled(kind: Kind, names: Names) -> Iterator[tuple[str, str]]:
    """Yield every file of the project: its path inside, and its text."""
    words = {
        "name": names.plugin,
        "package": names.package,
        "title": names.title,
        "kind": kind.value,
        "group": kind.group,
        "description": f"{'An app' if kind is Kind.APP else 'A strategy'} for Limner.",
    }
    here = files("limner.cli.new_project")
    for part in ("shared", kind.value):
        yield from _filled_below(here / part, "", words)


def _filled_below(
    folder: Traversable, inside: str, words: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for each in folder.iterdir():
        if each.is_dir():
            name = words["package"] if each.name == "package" else each.name
            yield from _filled_below(each, f"{inside}{name}/", words)
        elif each.name.endswith(_SUFFIX):
            text = Template(each.read_text(encoding="utf-8")).substitute(words)
            yield inside + each.name.removesuffix(_SUFFIX), text
