"""The commands as a shell sees them: words, streams and exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from limner.cli.exits import Exit, code_for
from limner.client import ServerUnreachable
from limner.client.errors import problem_for
from limner.errors import LimnerError, SettingsError, StorageFull
from limner.home import HomeInUse

PLUGINS = Path(__file__).parent.parent / "plugins"


def limner(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "limner.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", "HOME": "/dev/null"},
    )


def test_the_exit_codes_are_in_the_help() -> None:
    ended = limner("--help")
    assert ended.returncode == Exit.OK
    words = " ".join(ended.stdout.split())
    assert "3 no server answers" in words
    assert "5 the home is in use" in words


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("x"), Exit.USAGE),
        (HomeInUse("x"), Exit.IN_USE),
        (ServerUnreachable("x"), Exit.UNREACHABLE),
        (problem_for(401, "GET /", {}), Exit.REFUSED),
        (problem_for(404, "GET /", {}), Exit.REFUSED),
        (problem_for(503, "GET /", {}), Exit.FAILED),
        (StorageFull("x"), Exit.FAILED),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: LimnerError, code: Exit) -> None:
    assert code_for(error) is code


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("serve",), Exit.USAGE, "Give a folder of images"),
        (("serve", "/nonexistent", "--labels", "a"), Exit.USAGE, "no folder of images"),
        (("serve", "."), Exit.USAGE, "--labels liver,tumour"),
        (("serve", "--config", "/none.toml", "--app", "x"), Exit.USAGE, "leave out app"),
        (("serve", ".", "--labels", "a", "--host", "203.0.113.7"), Exit.USAGE, "--token"),
        (("status", "--url", "http://127.0.0.1:9"), Exit.UNREACHABLE, "limner serve"),
        (("export", "p", "/nonexistent/o.zip"), Exit.USAGE, "no folder /nonexistent"),
        (("frobnicate",), Exit.USAGE, "No such command"),
    ],
)
def test_mistakes_are_told_in_words_and_by_exit_code(
    arguments: tuple[str, ...], code: Exit, words: str
) -> None:
    ended = limner(*arguments)
    assert ended.returncode == code, ended.stderr
    assert words in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_plugins_are_listed_with_what_is_wrong_with_them(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise RuntimeError('no luck today')\n")
    ended = limner("plugins", "--plugin", str(PLUGINS / "tiny_app.py"), "--plugin", str(broken))
    assert ended.returncode == Exit.FAILED
    assert "Intensity of each class" in ended.stdout
    assert "no luck today" in " ".join(ended.stdout.split())


def test_a_plugin_that_only_breaks_when_it_is_made_is_found_by_a_check(tmp_path: Path) -> None:
    late = tmp_path / "late.py"
    late.write_text(
        "from limner.plugin import StrategyManifest\n"
        "def make():\n    raise OSError('the model is missing')\n"
        "manifest = StrategyManifest(name='late', version='1', factory=':make',\n"
        "    needs=frozenset(), title='Late', licence='MIT')\n"
    )
    assert "the model is missing" not in limner("plugins", "--plugin", str(late)).stdout
    ended = limner("plugins", "--check", "--plugin", str(late))
    assert ended.returncode == Exit.FAILED
    assert "the model is missing" in " ".join(ended.stdout.split())


def test_the_interface_is_described_without_a_server() -> None:
    import json

    ended = limner("openapi")
    assert ended.returncode == Exit.OK, ended.stderr
    document = json.loads(ended.stdout)
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/projects/{project}/next" in document["paths"]
