"""The code of the documentation works as it is printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from limner.plugin import Pool
from limner.registry import Registry, make_strategy

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"


@pytest.mark.slow
def test_documented_plugins_pass_the_kit_by_their_documented_tests(tmp_path: Path) -> None:
    for example in EXAMPLES.glob("*.py"):
        (tmp_path / example.name).write_bytes(example.read_bytes())
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]
    assert " passed" in run.stdout
    assert " skipped" not in run.stdout


def test_the_strategy_of_the_readme_works_when_pasted(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (code,) = (block for block in blocks if "StrategyManifest" in block)
    file = tmp_path / "newest.py"
    file.write_text(code)
    registry = Registry([file])
    strategy = make_strategy(registry.source("limner.strategies", "newest"))
    picks = strategy.pick(Pool(ids=np.array([3, 9, 5])), 2, seed=0)
    assert [pick.index for pick in picks] == [1, 2]


@pytest.mark.parametrize(
    "page", [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"], ids=lambda page: page.name
)
def test_python_in_the_documentation_compiles(page: Path) -> None:
    for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        if not code.startswith("--8<--"):
            compile(code, str(page), "exec")


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_every_example_is_shown_on_a_page(example: Path) -> None:
    shown = f'\n--8<-- "examples/{example.name}"\n'
    assert any(shown in page.read_text() for page in (ROOT / "docs").rglob("*.md"))


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size < 6_000
