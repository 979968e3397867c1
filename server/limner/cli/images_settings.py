"""Settings for `limner serve IMAGES`: one project from a folder and a few options."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from limner.cli.settings_file import checked_settings
from limner.errors import SettingsError
from limner.settings import Settings
from limner.stores.monai_label_folder import final_labels

HOME = ".limner"
"""Name of the default home, a sibling of the folder of images."""

_SAYS_NOTHING = re.compile(r"(?i)images?(?:tr|ts)?|data|volumes?|imgs?|pictures?|dataset")


def settings_for_images(
    images: Path,
    labels: str,
    *,
    server: Mapping[str, Any],
    project: Mapping[str, Any],
    loop: Mapping[str, Any],
) -> Settings:
    """Make the settings of a server with one project.

    The finished labels of a folder that a MONAI Label server has used are adopted, unless others
    are named.

    Args:
        images: Folder of images.
        labels: Class names separated by commas, as `liver,tumour` or with values, `liver=1`.
        server: Fields of `Settings` as the command line gives them; None counts as not given.
        project: Fields of `ProjectConfig`, likewise.
        loop: Fields of `ProjectSettings`, likewise.

    Raises:
        SettingsError: Something cannot be used; the message says what.
    """
    folder = images.expanduser().resolve()
    if not folder.is_dir():
        raise SettingsError(f"There is no folder of images at {folder}.")
    adopt = project.get("adopt") or final_labels(folder)
    config = {
        **_given(project),
        "name": project.get("name") or project_name(folder),
        "images": folder,
        "labels": parse_labels(labels),
        "settings": _given(loop),
    }
    if adopt is not None:
        config["adopt"] = Path(adopt).expanduser().resolve()
    given = {"home": folder.parent / HOME, **_given(server), "projects": [config]}
    given["home"] = Path(given["home"]).expanduser().resolve()
    return checked_settings(given, source="The command line")


def project_name(folder: Path) -> str:
    """Make a project's name from its folder: the first name above that says something."""
    for part in (folder, *folder.parents):
        slug = re.sub(r"[^a-z0-9]+", "-", part.name.lower()).strip("-")[:64].strip("-")
        if slug and not _SAYS_NOTHING.fullmatch(part.name):
            return slug
    return "images"


def parse_labels(text: str) -> list[str] | dict[str, int]:
    """Read class names separated by commas, all of them or none with values.

    Example:
        >>> parse_labels("liver, tumour"), parse_labels("liver=1,tumour=4")
        (['liver', 'tumour'], {'liver': 1, 'tumour': 4})

    Raises:
        SettingsError: No name, an empty one, one that comes twice, or a value that is no number.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise SettingsError(
            f"--labels {text!r} has an empty name; give names as in --labels liver,tumour."
        )
    pairs = [tuple(map(str.strip, part.partition("=")[::2])) for part in parts]
    _refuse_repeated([name for name, _ in pairs], text)
    if not any("=" in part for part in parts):
        return parts
    try:
        return {name: int(value) for name, value in pairs}
    except ValueError:
        raise SettingsError(
            f"--labels {text!r}: give every class a whole number, as in liver=1,tumour=2, or none."
        ) from None


def _refuse_repeated(names: Sequence[str], text: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError(f"--labels {text!r} has {twice[0]!r} twice.")


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in values.items() if each is not None}
