"""Plugins with an interpreter of their own, or registered anew, have workers of their own."""

from __future__ import annotations

import os
import stat
import sys
import threading
import venv
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

from limner.engine import WorkerStatus
from limner.engine.crew import DEFAULT, crew_key
from limner.engine.limits import worker_environment
from limner.engine.local import LocalEngine
from limner.errors import EngineError, NotFound, PluginFailed
from limner.plugin import Pool
from limner.registry import APPS, STRATEGIES, PluginSource, Registry, check_given_plugins
from limner.settings import EngineSettings

if TYPE_CHECKING:
    from tests.engine.conftest import Watcher, World

PLUGINS = Path(__file__).parent.parent / "plugins"
Wait = Callable[..., Any]

SAME = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
OLD = f"""#!{sys.executable}
import importlib.metadata, pathlib, runpy, sys
starts = pathlib.Path(__file__).with_name("starts")
starts.write_text(starts.read_text() + "!" if starts.exists() else "!")
importlib.metadata.version = lambda name: "0.0.9"
sys.argv = sys.argv[3:]  # after -P and -m
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@dataclass
class Place:
    """An engine, and the folder and registry of its plugins."""

    engine: LocalEngine
    registry: Registry
    folder: Path

    def workers(self) -> dict[str, WorkerStatus]:
        return {each.name: each for each in self.engine.status()}

    def change(self, name: str, old: str = "", new: str = "") -> None:
        """Change an app's file and register it anew."""
        file = self.folder / f"{name}.py"
        file.write_text(file.read_text().replace(old, new) if old else file.read_text() + "\n")
        with self.registry.changing() as swap:
            found = self.registry.find(APPS, name)
            assert found is not None
            source = replace(found.source, revision=found.source.revision + 1)
            swap([found], [replace(found, source=source)])
        self.engine.retire_unused()

    def remove(self, name: str) -> None:
        with self.registry.changing() as swap:
            found = self.registry.find(APPS, name)
            assert found is not None
            swap([found], [])
        self.engine.retire_unused()


@pytest.fixture
def make_place(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """Make an engine with the tiny app under other names, each with an interpreter or none."""
    engines: list[LocalEngine] = []

    def make(**pythons: Path | None) -> Place:
        folder = tmp_path / "plugins"
        folder.mkdir()
        tiny = (PLUGINS / "tiny_app.py").read_text()
        for name, python in pythons.items():
            said = f'    name="{name}",\n    python={str(python or "")!r},'
            (folder / f"{name}.py").write_text(tiny.replace('    name="tiny",', said))
        registry = Registry([folder, PLUGINS / "tiny_strategy.py"])
        settings = EngineSettings(device="cpu", predictor_threads=1, learner_threads=1)
        engine = LocalEngine(settings, registry, tmp_path / "logs")
        engines.append(engine)
        engine.start()
        return Place(engine, registry, folder)

    yield make
    for engine in engines:
        engine.stop()


@pytest.fixture
def same(tmp_path: Path) -> Path:
    """Another interpreter with the server's packages."""
    return program(tmp_path / "same", SAME)


def test_what_shares_workers_is_told_by_interpreter_and_by_what_was_registered_anew() -> None:
    app = PluginSource(APPS, "a", "/a.py")
    other = PluginSource(STRATEGIES, "b", "/b.py")
    assert crew_key(app) == crew_key(other) == DEFAULT
    keras, also_keras = replace(app, python="/k/python"), replace(other, python="/k/python")
    assert crew_key(keras) == crew_key(also_keras) != DEFAULT
    anew = replace(app, revision=1)
    assert crew_key(anew) == crew_key(replace(anew, name="second of the same file"))
    assert len({crew_key(each) for each in (app, keras, anew, replace(anew, revision=2))}) == 4
    assert crew_key(anew) != crew_key(replace(other, revision=1))


def test_nothing_of_the_servers_environment_reaches_another_interpreter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"):
        monkeypatch.setenv(name, "/ours")
    theirs = worker_environment(2, python="/other/python")
    assert "/ours" not in theirs.values()
    assert list(worker_environment(2).values()).count("/ours") == 4
    assert theirs["TF_NUM_INTRAOP_THREADS"] == theirs["TF_NUM_INTEROP_THREADS"] == "2"
    assert theirs["PATH"] == os.environ["PATH"]


def test_a_plugin_of_another_interpreter_gets_workers_when_it_is_first_used(
    make_place: Callable[..., Place], same: Path, world: World, watcher: Watcher, tmp_path: Path
) -> None:
    place = make_place(foreign=same, own=None)
    assert place.workers().keys() == {"predictor", "learner", "picker"}
    answer = place.engine.predict(world.model(app="foreign"), world.images[0]).answer
    assert np.array_equal(
        answer.array,  # type: ignore[union-attr]
        place.engine.predict(world.model(app="own"), world.images[0]).answer.array,  # type: ignore[union-attr]
    )
    assert place.workers()["learner of foreign"].state == "stopped"
    assert place.workers()["predictor of foreign"].state == "idle"
    place.engine.train(world.task(tmp_path / "w", app="foreign"), watcher)
    assert place.workers()["learner"].state == "stopped"
    assert place.workers()["learner of foreign"].pid is not None
    assert len({each.pid for each in place.workers().values() if each.pid is not None}) == 3
    assert (tmp_path / "logs" / "predictor-foreign.log").exists()


def test_the_predictor_of_another_interpreter_stays_and_is_replaced_when_it_dies(
    make_place: Callable[..., Place], same: Path, world: World, wait_until: Wait
) -> None:
    place = make_place(foreign=same)
    place.engine.warm(world.model(app="foreign"))
    first = place.workers()["predictor of foreign"].pid
    assert first is not None
    psutil.Process(first).kill()
    wait_until(
        lambda: (
            place.workers()["predictor of foreign"].state == "idle"
            and place.workers()["predictor of foreign"].pid != first
        )
    )


def test_a_training_ends_on_the_code_it_began_with_while_changed_code_serves(
    make_place: Callable[..., Place],
    world: World,
    watcher: Watcher,
    tmp_path: Path,
    wait_until: Wait,
) -> None:
    place = make_place(own=None)
    place.change("own")
    with ThreadPoolExecutor(1) as pool:
        task = world.task(tmp_path / "w", app="own", step_seconds=0.2)
        old = pool.submit(place.engine.train, task, watcher)
        assert watcher.began.wait(30)
        learner = place.workers()["learner of own revision 1"].pid
        assert learner is not None
        place.change("own", 'libraries={"numpy": np.__version__}', 'libraries={"changed": "1"}')
        assert place.engine.predict(world.model(app="own"), world.images[0]).answer is not None
        assert not old.done()
        workers = place.workers()
        assert workers["learner of own revision 1"].pid == learner
        assert workers["predictor of own revision 2"].state == "idle"
        new = place.engine.train(world.task(tmp_path / "new", app="own"), type(watcher)())
        assert new.libraries == {"changed": "1"}
        assert "numpy" in old.result(30).libraries
    wait_until(lambda: not any("revision 1" in name for name in place.workers()))
    assert not psutil.pid_exists(learner)
    assert place.workers()["predictor"].state == "idle"


def test_workers_that_nobody_uses_leave_at_once_and_the_default_ones_stay(
    make_place: Callable[..., Place], same: Path, world: World, wait_until: Wait
) -> None:
    place = make_place(foreign=same, own=None)
    place.engine.warm(world.model(app="foreign"))
    pid = place.workers()["predictor of foreign"].pid
    assert pid is not None
    place.engine.retire_unused()
    assert place.workers()["predictor of foreign"].pid == pid
    place.remove("foreign")
    place.remove("own")
    wait_until(lambda: place.workers().keys() == {"predictor", "learner", "picker"})
    assert not psutil.pid_exists(pid)
    with pytest.raises(NotFound, match="foreign"):
        place.engine.predict(world.model(app="foreign"), world.images[0])
    assert place.engine.pick("tiny", Pool(ids=np.arange(3)), 2, 0)


def test_no_request_is_lost_while_plugins_change(
    make_place: Callable[..., Place], world: World, wait_until: Wait
) -> None:
    place = make_place(own=None)
    over = threading.Event()

    def ask(client: int) -> int:
        answered = 0
        while not over.is_set():
            model = world.model(app="own")
            answer = place.engine.predict(model, world.images[client], client=str(client)).answer
            assert answer is not None
            answered += 1
        return answered

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(ask, client) for client in range(4)]
        try:
            for revision in range(1, 4):
                place.change("own")
                name = f"predictor of own revision {revision}"
                wait_until(lambda name=name: name in place.workers())
        finally:
            over.set()
        assert all(future.result(60) > 0 for future in futures)
    wait_until(lambda: len(place.workers()) == 6)
    assert "predictor of own revision 3" in place.workers()


def test_stopping_ends_every_crew_a_retired_one_with_its_training_too(
    make_place: Callable[..., Place], world: World, watcher: Watcher, tmp_path: Path
) -> None:
    place = make_place(own=None)
    place.change("own")
    with ThreadPoolExecutor(1) as pool:
        task = world.task(tmp_path / "w", app="own", step_seconds=1.0)
        training = pool.submit(place.engine.train, task, watcher)
        assert watcher.began.wait(30)
        pids = [each.pid for each in place.workers().values() if each.pid is not None]
        place.change("own")
        place.engine.stop()
        with pytest.raises(EngineError, match="stopped"):
            training.result(30)
    assert not any(psutil.pid_exists(pid) for pid in pids)
    with pytest.raises(EngineError, match="has stopped"):
        place.engine.predict(world.model(app="own"), world.images[0])


def refused(place: Place, world: World, tmp_path: Path, watcher: Watcher) -> list[str]:
    """What every kind of work is told that waits for an interpreter that is of no use."""
    engine, model = place.engine, world.model(app="foreign")
    said = []
    with ThreadPoolExecutor(4) as pool:
        futures: list[Future[Any]] = [
            *[pool.submit(engine.predict, model, image) for image in world.images[:2]],
            pool.submit(engine.train, world.task(tmp_path / "w", app="foreign"), watcher),
            pool.submit(engine.describe, model, [(0, world.images[0])], watcher, print),
        ]
        for future in futures:
            with pytest.raises(PluginFailed) as caught:
                future.result(60)
            said.append(str(caught.value))
    return said


def test_another_version_of_limner_is_refused_in_words_and_not_tried_again_and_again(
    make_place: Callable[..., Place], world: World, tmp_path: Path, watcher: Watcher
) -> None:
    old = program(tmp_path / "old", OLD)
    place = make_place(foreign=old, own=None)
    wanted = f"The environment of {old} has limner 0.0.9, the server "
    assert all(
        each.startswith(wanted) and each.endswith("install the same there.")
        for each in refused(place, world, tmp_path, watcher)
    )
    starts = len((tmp_path / "starts").read_text())
    assert starts <= 4
    # Others work meanwhile, and nobody tries a start that nobody asked for.
    assert place.engine.predict(world.model(app="own"), world.images[0]).answer is not None
    assert len((tmp_path / "starts").read_text()) == starts
    old.write_text(SAME)  # mended: the next request finds it so
    assert place.engine.predict(world.model(app="foreign"), world.images[0]).answer is not None


def test_an_environment_without_limner_is_refused_in_words(
    make_place: Callable[..., Place],
    world: World,
    tmp_path: Path,
    watcher: Watcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The server's own packages must not be found by that way.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare" / "bin" / "python"
    place = make_place(foreign=python)
    words = f"The environment of {python} has no limner: install limner "
    assert all(each.startswith(words) for each in refused(place, world, tmp_path, watcher))


@pytest.mark.parametrize("how", ["gone", "exits"])
def test_an_interpreter_that_cannot_run_is_refused_in_words(
    make_place: Callable[..., Place], world: World, tmp_path: Path, watcher: Watcher, how: str
) -> None:
    python = program(tmp_path / "broken", "#!/bin/sh\necho I am no Python\nexit 3\n")
    place = make_place(foreign=python, own=None)
    if how == "gone":
        python.unlink()
    said = refused(place, world, tmp_path, watcher)
    reason = "No such file" if how == "gone" else r"(exit code 3). It said: I am no Python."
    assert all(f"The Python interpreter {python} runs no worker" in each for each in said)
    assert all(reason in each for each in said)
    assert place.engine.predict(world.model(app="own"), world.images[0]).answer is not None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (SAME, ""),
        (OLD, "has limner 0.0.9, the server"),
        ("#!/bin/sh\nexit 3\n", "with code 3"),
        ("#!/no/such/shell\n", "runs no worker of Limner"),
    ],
    ids=["the same", "old", "exits", "no shell"],
)
def test_a_check_makes_the_plugin_with_its_own_interpreter(
    make_place: Callable[..., Place], tmp_path: Path, text: str, problem: str
) -> None:
    place = make_place(foreign=program(tmp_path / "python", text))
    check_given_plugins(place.registry)
    found = place.registry.find(APPS, "foreign")
    assert found is not None
    assert "".join(found.problems) == "" if not problem else problem in found.problems[0]


def test_a_check_says_where_limner_is_missing(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    place = make_place(foreign=tmp_path / "bare" / "bin" / "python")
    check_given_plugins(place.registry)
    with pytest.raises(PluginFailed, match="has no limner: install limner"):
        place.registry.app("foreign")
