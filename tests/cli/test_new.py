"""What `limner new` writes works as it is; what it refuses leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from tests.conftest import absent

from limner.cli.exits import Exit
from limner.cli.new_project import Kind, Names, write_project
from limner.client import Limner
from limner.demo.data_set import DataSet, write_data_set
from limner.demo.drawings import DRAWINGS
from limner.plugin import Task
from limner.simulate import LoopRun, ServerProcess, SimulatedAnnotator

ROOT = Path(__file__).parents[2]
PLUGINS = MappingProxyType({"app": "bright-spots", "strategy": "least-sure"})
LONGEST = "a" * 32 + "-" + "b" * 31
RULES = (
    *("--isolated", "--line-length", "100", "--select"),
    "E,F,W,I,B,BLE,C4,D,DTZ,N,PIE,PT,RET,RUF,S,SIM,T20,UP",
    *("--ignore", "D105,D107,D203,D213,S101", "--config", 'lint.pydocstyle.convention="google"'),
)


def run(
    *command: str | Path, cwd: Path, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a module of this environment, with a folder of installed packages beside it."""
    environment = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    return subprocess.run(
        # -P: what is imported was installed, or is put there by the project itself.
        [sys.executable, "-P", "-m", *map(str, command)],
        cwd=cwd,
        env={**environment, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=200,
        stdin=subprocess.DEVNULL,
    )


def limner_new(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run("limner.cli", "new", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one project of each kind, each written by the command."""
    folder = tmp_path_factory.mktemp("projects")
    for kind, name in PLUGINS.items():
        made = limner_new(kind, name, cwd=folder)
        assert made.returncode == Exit.OK, made.stderr
    return folder


@pytest.fixture(scope="module")
def installed(projects: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that both projects are installed into."""
    if find_spec("hatchling") is None:
        absent("hatchling is not installed; pip install -e '.[dev]' does it.")
    folder = tmp_path_factory.mktemp("installed")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", folder)
    done = run("pip", "install", *options, *map(projects.joinpath, PLUGINS.values()), cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("kind", PLUGINS)
def test_a_project_is_typed(projects: Path, kind: str) -> None:
    found = run("mypy", "--strict", ".", cwd=projects / PLUGINS[kind])
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("name", ["a", "bright-spots", LONGEST])
@pytest.mark.parametrize("kind", PLUGINS)
def test_a_project_is_in_style_whatever_its_name(tmp_path: Path, kind: Kind, name: str) -> None:
    write_project(Kind(kind), Names.of(Kind(kind), name), tmp_path / "new")
    for command in (("check", *RULES, "."), ("check", "."), ("format", "--check", ".")):
        found = run("ruff", *command, cwd=tmp_path / "new")
        assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("kind", PLUGINS)
def test_a_project_passes_the_kit_in_full(projects: Path, kind: str) -> None:
    found = run("pytest", "-q", "-p", "no:cacheprovider", cwd=projects / PLUGINS[kind])
    assert found.returncode == 0, found.stdout[-3000:]
    assert " passed" in found.stdout
    assert " skipped" not in found.stdout


def test_an_installed_project_is_listed_as_usable(installed: Path) -> None:
    listed = run("limner.cli", "plugins", "--check", cwd=installed, path=installed)
    assert listed.returncode == Exit.OK, listed.stdout
    for kind, name in PLUGINS.items():
        (line,) = (each for each in listed.stdout.splitlines() if f" {name} " in f" {each} ")
        assert line.split()[0] == kind
        assert line.split()[-1] == "none"


@pytest.mark.live
def test_a_server_learns_with_an_installed_app_and_strategy(
    installed: Path, tmp_path: Path
) -> None:
    data = easy_volumes(tmp_path)
    app, strategy = PLUGINS["app"], PLUGINS["strategy"]
    arguments = [str(data.images), "--name", "easy", "--labels", "head,body", "--app", app]
    arguments += ["--strategy", strategy, "--retrain-every", "4"]
    environment = {"PYTHONPATH": str(installed)}
    with (
        ServerProcess(arguments, home=tmp_path / "home", environment=environment) as server,
        Limner(server.url) as limner,
    ):
        project = limner.project("easy")
        annotator = SimulatedAnnotator(limner, project, data.truth)
        loop = LoopRun(limner, project, annotator, data.unseen)
        loop.prepare(len(data.truth) + len(data.unseen))
        rounds = [loop.round(4) for _ in range(2)]
    assert rounds[0].outcome == "promote"
    assert [each.trained for each in rounds] == [1, 2]
    assert rounds[-1].unseen_score is not None
    assert rounds[-1].unseen_score > 0.8


def easy_volumes(folder: Path) -> DataSet:
    """Drawn volumes without noise: what a classifier of single voxels can learn."""
    import nibabel

    data = write_data_set(DRAWINGS[Task.SEGMENTATION], folder, 0, pool=8, unseen=2)
    for name, label in {**data.truth, **data.unseen}.items():
        mask = nibabel.load(label)
        noise = np.random.default_rng(len(name)).normal(0, 5, mask.shape)
        grey = (np.asarray(mask.dataobj) * 100 + noise).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(grey, mask.affine), data.images / f"{name}.nii.gz")
    return data


def test_a_folder_that_is_empty_is_filled(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    made = limner_new("strategy", "least-sure", "--folder", ".", cwd=tmp_path / "here")
    assert made.returncode == Exit.OK, made.stderr
    names = {each.name for each in (tmp_path / "here").iterdir()}
    assert names == {"README.md", "pyproject.toml", "least_sure", "tests"}
    assert [each.name for each in tmp_path.iterdir()] == ["here"]


def a_folder_that_is_not_empty(folder: Path) -> None:
    (folder / "spots").mkdir()
    (folder / "spots" / "mine.txt").write_text("keep")


def a_file(folder: Path) -> None:
    (folder / "spots").write_text("keep")


def a_link_to_a_folder(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "spots").symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        *((("app", name), "lower-case letters") for name in ("Spots", "a_b", "a-", "a" * 65)),
        (("app", "../spots"), "lower-case letters"),
        (("app", ""), "lower-case letters"),
        (("app", "spöts"), "lower-case letters"),
        (("app", "3d-spots"), "begin with a letter"),
        (("app", "class"), "of Python's own"),
        (("app", "json"), "of Python's own"),
        (("strategy", "lambda"), "of Python's own"),
        (("app", "segmentation"), "installed is called 'segmentation' already"),
        (("strategy", "entropy"), "installed is called 'entropy' already"),
        (("app", "numpy"), "another package"),
        (("app", "limner"), "another package"),
        (("strategy", "limner-apps"), "another package"),
        (("app", "tests"), "another package"),
        (("engine", "spots"), "'engine' is not one of"),
        (("app",), "Missing argument"),
        (("app", "spots", "--folder", "absent/spots"), "no folder"),
    ],
    ids=lambda each: each if isinstance(each, str) else " ".join(each)[:24],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_written(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    ended = limner_new(*arguments, cwd=tmp_path)
    assert ended.returncode == Exit.USAGE, ended.stderr
    assert words in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("occupy", [a_folder_that_is_not_empty, a_file, a_link_to_a_folder])
def test_what_is_there_is_left_alone(tmp_path: Path, occupy: Callable[[Path], None]) -> None:
    occupy(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    ended = limner_new("app", "spots", cwd=tmp_path)
    assert ended.returncode == Exit.USAGE
    assert "choose another with --folder" in " ".join(ended.stderr.split())
    assert sorted(tmp_path.rglob("*")) == before


def test_an_app_may_be_called_like_a_strategy(tmp_path: Path) -> None:
    made = limner_new("app", "entropy", cwd=tmp_path)
    assert made.returncode == Exit.OK, made.stderr


@pytest.mark.parametrize("there", [False, True], ids=["missing", "empty"])
@pytest.mark.parametrize("failing", ["write_text", "rename"])
def test_a_disk_that_fails_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool, failing: str
) -> None:
    target = tmp_path / "spots"
    if there:
        target.mkdir()
    before = list(tmp_path.rglob("*"))
    real, calls = getattr(Path, failing), iter(range(9))

    def fails_soon(self: Path, *arguments: object, **more: object) -> object:
        if next(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(self, *arguments, **more)

    monkeypatch.setattr(Path, failing, fails_soon)
    with pytest.raises(OSError, match="No space left"):
        write_project(Kind.APP, Names.of(Kind.APP, "spots"), target)
    assert list(tmp_path.rglob("*")) == before


def test_the_wheel_carries_every_template(tmp_path: Path) -> None:
    if find_spec("hatchling") is None:
        absent("hatchling is not installed; pip install -e '.[dev]' does it.")
    source = tmp_path / "source"
    for name in ("server", "apps", "strategies"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "-w", tmp_path)
    done = run("pip", "wheel", *options, source, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = {name for name in packed.namelist() if name.endswith(".template")}
    templates = (ROOT / "server").rglob("*.template")
    assert names == {str(path.relative_to(ROOT / "server")) for path in templates}
    assert names
