"""Settings files: what they may say, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.cli.settings_file import read_settings
from limner.errors import SettingsError

WHOLE = """
[server]
home = "home"
port = 9000
plugins = ["apps/mine.py"]

[limits]
max_voxels = 1000

[engine]
device = "cpu"

[[projects]]
name = "liver"
images = "scans"
labels = ["liver", "tumour"]

[projects.settings]
retrain_every = 3

[projects.settings.gate]
margin = 0.02

[[projects]]
name = "spleen"
images = "scans"
labels = { spleen = 4 }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scans").mkdir()
    return tmp_path


def write(folder: Path, text: str) -> Path:
    file = folder / "limner.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_sets_everything_with_paths_beside_it(folder: Path) -> None:
    settings = read_settings(write(folder, WHOLE))
    assert settings.home == folder / "home"
    assert settings.port == 9000
    assert settings.plugins == (folder / "apps/mine.py",)
    assert settings.limits.max_voxels == 1000
    assert settings.engine.device == "cpu"
    liver, spleen = settings.projects
    assert liver.images == folder / "scans"
    assert liver.settings.retrain_every == 3
    assert liver.settings.gate.margin == 0.02
    assert spleen.labels == {"spleen": 4}


def test_the_home_is_beside_the_file_where_none_is_given(folder: Path) -> None:
    assert read_settings(write(folder, "")).home == folder / ".limner"


def test_the_command_line_wins_where_it_says_something(folder: Path) -> None:
    settings = read_settings(write(folder, WHOLE), {"port": 1234, "host": None})
    assert (settings.port, settings.host) == (1234, "127.0.0.1")


MISTAKES = {
    "[serve]\n": "unknown key 'serve' at the top; did you mean 'server'",
    "[server]\nprot = 1\n": "unknown key 'prot' in \\[server\\]; did you mean 'port'",
    "[server]\nengine = 1\n": "unknown key 'engine' in \\[server\\]",
    "[limits]\nmax_voxel = 1\n": "unknown key 'max_voxel' in limits; did you mean 'max_voxels'",
    '[[projects]]\nname="a"\nimages="scans"\nlabels=["x"]\n'
    "[projects.settings]\nretrian_every=1\n": (
        "unknown key 'retrian_every' in projects 1 settings; did you mean 'retrain_every'"
    ),
    '[[projects]]\nname="a"\nimages="scans"\nlabels=["x"]\n'
    "[projects.settings.gate]\nzzzzzzz=1\n": "known are margin, confidence, class_margin",
    '[[projects]]\nname="a"\nlabels=["x"]\n': "projects 1 images is missing",
    "[server]\nport = 70000\n": "port: input should be less than or equal to 65535, got '70000'",
    "[server\n": "not TOML",
    'server = "x"\n': "server must be a table",
    '[[projects]]\nname="a"\nimages="nowhere"\nlabels=["x"]\n': "there is no folder .*nowhere",
    '[[projects]]\nname="A b"\nimages="scans"\nlabels=["x"]\n': "projects 1 name",
    '[[projects]]\nname="a"\nimages="scans"\nlabels=["x"]\n' * 2: "two projects are named 'a'",
}


@pytest.mark.parametrize(("text", "words"), MISTAKES.items())
def test_a_mistake_is_named_with_its_place(folder: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        read_settings(write(folder, text))
    assert "limner.toml" in str(caught.value)


def test_all_mistakes_are_told_at_once(folder: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(write(folder, "[limits]\nmax_voxels = 0\nmax_file_byte = 3\n"))
    assert "max_voxels" in str(caught.value)
    assert "did you mean 'max_file_bytes'" in str(caught.value)


def test_a_token_is_not_repeated_in_the_message(folder: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(write(folder, '[server]\ntoken = ["hush-hush"]\n'))
    assert "token" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_plugins_while_it_runs_are_set_beside_the_file(folder: Path) -> None:
    (folder / "mine").mkdir()
    text = '[server]\nplugin_folder = "mine"\nadmin_token = "hush"\n'
    settings = read_settings(write(folder, text))
    assert settings.plugin_folder == folder / "mine"
    assert settings.admin_token is not None
    assert settings.admin_token.get_secret_value() == "hush"
    assert "hush" not in repr(settings)


def test_a_plugin_folder_must_be_there(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"no folder .*absent \(plugin_folder\)"):
        read_settings(write(folder, '[server]\nplugin_folder = "absent"\n'))


def test_an_admin_token_is_not_repeated_in_the_message(folder: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(write(folder, '[server]\nadmin_token = ["hush-hush"]\n'))
    assert "admin_token" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml cannot be read"):
        read_settings(tmp_path / "none.toml")
