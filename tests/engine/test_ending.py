"""What is left when an engine has ended, however it ended: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

from limner.engine import Engine, crew, local
from limner.errors import EngineError
from limner.plugin import Pool
from limner.settings import EngineSettings

if TYPE_CHECKING:
    from tests.engine.conftest import MakeEngine, Watcher, World

Wait = Callable[..., Any]
POOL = Pool(ids=np.arange(100_000), scores={"entropy": np.zeros(100_000, np.float32)})


def test_an_ended_engine_leaves_no_process_no_thread_no_memory_and_no_descriptor(
    make_engine: MakeEngine,
    world: World,
    watcher: Watcher,
    tmp_path: Path,
    children: Callable[[], set[int]],
) -> None:
    shared = set(Path("/dev/shm").iterdir())
    before = children(), threading.active_count(), len(os.listdir("/proc/self/fd"))
    engine = make_engine()
    engine.predict(world.model(), world.images[0], probabilities=True)
    engine.train(world.task(tmp_path / "w"), watcher)
    engine.pick("tiny", POOL, 3, 0)
    assert len(children()) == len(before[0]) + 3
    began = time.monotonic()
    engine.stop()
    assert time.monotonic() - began < 5
    assert (children(), threading.active_count(), len(os.listdir("/proc/self/fd"))) == before
    assert set(Path("/dev/shm").iterdir()) <= shared


def test_stopping_answers_everyone_who_waits_within_a_few_seconds(
    make_engine: MakeEngine, world: World, watcher: Watcher, tmp_path: Path, wait_until: Wait
) -> None:
    engine = make_engine()
    engine.predict(world.model(), world.images[0])
    with ThreadPoolExecutor(8) as pool:
        futures = [
            pool.submit(engine.predict, world.model(fail="hang"), world.images[0]) for _ in range(5)
        ]
        futures.append(
            pool.submit(engine.train, world.task(tmp_path, step_seconds=1.0), watcher)  # type: ignore[arg-type]
        )
        assert watcher.began.wait(30)
        wait_until(lambda: len(engine._default.predictions) == 4)
        began = time.monotonic()
        engine.stop()
        for future in futures:
            with pytest.raises(EngineError, match="stopped"):
                future.result(30)
    assert time.monotonic() - began < 5
    assert {each.state for each in engine.status()} == {"stopped"}


def test_a_stopped_engine_refuses_work_and_may_be_stopped_again(
    make_engine: MakeEngine, world: World
) -> None:
    engine = make_engine()
    engine.stop()
    engine.stop()
    with pytest.raises(EngineError, match="has stopped"):
        engine.predict(world.model(), world.images[0])


def test_an_engine_that_was_never_started_can_be_stopped(registry: Any, tmp_path: Path) -> None:
    engine: Engine = local.LocalEngine(EngineSettings(), registry, tmp_path)
    engine.stop()
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_rests_gives_its_memory_back_and_comes_again(
    make_engine: MakeEngine, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "PICKER_IDLE_S", 0.05)
    engine = make_engine()
    assert engine.status()[2].state == "stopped"
    for _ in range(2):
        engine.pick("tiny", Pool(ids=np.arange(5)), 3, 0)
        wait_until(lambda: engine.status()[2].pid is None)
    assert engine.status()[2].state == "stopped"
    assert engine.status()[2].restarts == 0


SERVER = """
import sys
from pathlib import Path
from limner.engine.local import LocalEngine
from limner.plugin import Pool
from limner.registry import Registry
from limner.settings import EngineSettings
import numpy as np

folder, plugin = map(Path, sys.argv[1:])
engine = LocalEngine(EngineSettings(device="cpu"), Registry([plugin]), folder)
engine.start()
engine.pick("tiny", Pool(ids=np.arange(5)), 3, 0)
while engine.status()[0].state != "idle":
    pass
print(*(each.pid for each in engine.status() if each.pid), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
def test_workers_end_with_the_server_even_when_it_is_killed(
    tmp_path: Path, wait_until: Wait, how: signal.Signals | None
) -> None:
    plugin = Path(__file__).parent.parent / "plugins" / "tiny_strategy.py"
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), str(plugin)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdin is not None
        assert server.stdout is not None
        workers = [psutil.Process(int(pid)) for pid in server.stdout.readline().split()]
        assert len(workers) == 2
        if how is None:
            server.stdin.close()  # it ends by itself and never calls stop
        else:
            server.send_signal(how)
        server.wait(30)
    wait_until(
        lambda: (
            not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in workers)
        )
    )


def test_ctrl_c_is_the_servers_affair(make_engine: MakeEngine, world: World) -> None:
    engine = make_engine()
    engine.predict(world.model(), world.images[0])
    pid = engine.status()[0].pid
    assert pid is not None
    assert os.getpgid(pid) != os.getpgid(0)
    os.kill(pid, signal.SIGINT)
    engine.predict(world.model(), world.images[0])
    assert engine.status()[0].pid == pid
