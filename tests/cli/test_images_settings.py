"""Settings from a folder and a few options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from limner.cli.images_settings import parse_labels, project_name, settings_for_images
from limner.errors import SettingsError
from limner.settings import Settings


def made(images: Path, labels: str = "a,b", **more: Any) -> Settings:
    parts: dict[str, Any] = {"server": {}, "project": {}, "loop": {}, **more}
    return settings_for_images(images, labels, **parts)


def test_the_home_lies_beside_the_images(tmp_path: Path) -> None:
    images = tmp_path / "Liver CT" / "images"
    images.mkdir(parents=True)
    settings = made(images)
    assert settings.home == tmp_path / "Liver CT" / ".limner"
    assert settings.projects[0].name == "liver-ct"
    assert settings.projects[0].labels == ["a", "b"]


def test_what_is_given_is_set_and_what_is_not_keeps_its_default(tmp_path: Path) -> None:
    settings = made(
        tmp_path,
        server={"port": 0, "host": None, "home": tmp_path / "h"},
        project={"app": "tiny", "name": "mine", "adopt": None},
        loop={"retrain_every": 2, "strategy": None},
    )
    assert (settings.port, settings.host, settings.home) == (0, "127.0.0.1", tmp_path / "h")
    project = settings.projects[0]
    assert (project.app, project.name) == ("tiny", "mine")
    assert (project.settings.retrain_every, project.settings.strategy) == (2, "entropy")


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("/data/hippocampus/images", "hippocampus"),
        ("/data/Task04/imagesTr", "task04"),
        ("/data/My Scans (2024)", "my-scans-2024"),
        ("/images", "images"),
    ],
)
def test_a_project_is_named_by_its_folder(folder: str, name: str) -> None:
    assert project_name(Path(folder)) == name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty name"),
        ("a,,b", "empty name"),
        ("a,a", "'a' twice"),
        ("a=1,b", "whole number"),
        ("a=x", "whole number"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        parse_labels(text)


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no folder of images"):
        made(tmp_path / "none")
