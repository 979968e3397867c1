"""A check in a child process survives whatever a plugin does, and reports every problem."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import pytest

from limner.registry import discover, inspect_plugins

PLUGINS = Path(__file__).parent.parent / "plugins"
FILES = ("misfits.py", "tiny_app.py", "packaged_app", "raises_on_import.py")


@pytest.fixture(scope="module")
def answers() -> Mapping[tuple[str, str], list[str]]:
    found = [each for each in discover([PLUGINS / name for name in FILES]) if each.source.path]
    slow = [each for each in found if each.source.name == "hangs"]
    rest = [each for each in found if each.source.name != "hangs"]
    return {**inspect_plugins(rest, 60), **inspect_plugins(slow, 1.5)}


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (("limner.apps", "hangs"), "did not end within 1.5 s"),
        (("limner.apps", "crashes"), "with code 41; last words: the driver is not there"),
        (("limner.apps", "fails"), "KeyError: 'settings.ini'"),
        (("limner.apps", "incomplete"), "Incomplete has no method train(request, watch)"),
        (("limner.strategies", "shy"), "Shy.pick does not take the parameters of pick"),
    ],
)
def test_what_is_wrong_is_said(
    answers: Mapping[tuple[str, str], list[str]], key: tuple[str, str], problem: str
) -> None:
    assert problem in " ".join(answers[key])


@pytest.mark.parametrize(
    "key",
    [("limner.apps", "tiny"), ("limner.strategies", "packaged"), ("limner.strategies", "chatty")],
)
def test_a_plugin_in_order_has_no_problem_even_if_it_prints(
    answers: Mapping[tuple[str, str], list[str]], key: tuple[str, str]
) -> None:
    assert answers[key] == []


def test_plugins_that_cannot_be_imported_are_not_made(
    answers: Mapping[tuple[str, str], list[str]],
) -> None:
    assert ("limner.apps", "raises_on_import") not in answers


LOUD = """
import os
from limner.plugin import StrategyManifest
manifest = StrategyManifest(name="loud", version="1", factory=":Made", needs=frozenset(), title="t",
    licence="MIT")
class Made:
    def __init__(self):
        while True:
            for descriptor in range(2, 9):  # the way of the answer is among them
                try:
                    os.write(descriptor, b"x" * (1 << 16))
                except OSError:
                    pass
"""


def test_what_a_plugin_says_without_end_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    (found,) = [each for each in discover([tmp_path]) if each.source.path]
    tracemalloc.start()
    try:
        ((problem,),) = inspect_plugins([found], 3).values()
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert problem == "making it did not end within 3 s"
    assert most < 32 << 20  # it says far more in that time


HEAVY = """
import sys
from pathlib import Path
from limner.registry import Registry
registry = Registry([Path(sys.argv[1])])
print([list(e.problems) for e in registry.found if e.source.path], "torch" in sys.modules)
"""


def test_a_manifest_that_imports_torch_is_a_problem_and_torch_stays_out() -> None:
    pytest.importorskip("torch")
    done = subprocess.run(
        [sys.executable, "-c", HEAVY, str(PLUGINS / "imports_torch.py")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == (
        "[['importing the manifest imports torch: import it inside the functions that need it']] "
        "False"
    )
