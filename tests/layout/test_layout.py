"""The house keeps its order."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("server", "apps", "strategies", "tests")
    for path in (ROOT / folder).rglob("*.py")
)
SAYS_NOTHING = {"utils", "helpers", "common", "base", "misc", "manager"}


def test_no_file_is_over_500_lines() -> None:
    long = [str(path) for path in SOURCES if len(path.read_text().splitlines()) > 500]
    assert not long


def test_every_file_is_named_for_its_concept() -> None:
    assert not [str(path) for path in SOURCES if path.stem in SAYS_NOTHING]


@pytest.mark.parametrize("package", ["limner.plugin", "limner.testing"])
def test_the_public_list_is_sorted_and_true(package: str) -> None:
    module = importlib.import_module(package)
    names = [name for name in module.__all__ if getattr(module, name) is not None]
    assert set(names) == set(module.__all__)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "module",
    ["limner.plugin", "limner.registry", "limner.http", "limner.loop.service", "limner.client"],
)
def test_the_web_side_imports_no_learning_library(module: str) -> None:
    code = (
        f"import sys, {module}; "
        "print([n for n in ('torch', 'monai', 'sklearn', 'scipy') if n in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.strip() == "[]"
