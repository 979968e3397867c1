"""Whatever a plugin or the system does to a worker, the caller gets a clear answer and the next
request works."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

from limner.engine import describing, patience, process
from limner.engine.local import LocalEngine
from limner.errors import (
    LimnerError,
    PluginFailed,
    WorkerDied,
    WorkerOutOfMemory,
    WorkerTimeout,
)
from limner.plugin import Described, Pool, Stopped

if TYPE_CHECKING:
    from tests.engine.conftest import MakeEngine, Watcher, World

Wait = Callable[..., Any]


def works(engine: LocalEngine, world: World) -> bool:
    return engine.predict(world.model(), world.images[0]).answer is not None


@pytest.mark.parametrize(
    ("app", "options", "kind", "words"),
    [
        ("tiny", {"fail": "raise"}, PluginFailed, "'tiny' failed in predict: RuntimeError: This"),
        ("tiny", {"fail": "shape"}, PluginFailed, r"the mask has shape \(12, 14, 9\)"),
        ("tiny", {"fail": "nan"}, PluginFailed, "probabilities hold NaN"),
        ("tiny", {"fail": "memory"}, WorkerOutOfMemory, "'tiny' needed more memory in predict"),
        ("odd", {"how": "leave"}, PluginFailed, "SystemExit: I quit"),
        ("odd", {"how": "no load"}, PluginFailed, "failed in load"),
    ],
)
def test_a_plugin_that_fails_is_named_and_keeps_its_worker(
    engine: LocalEngine,
    world: World,
    app: str,
    options: dict[str, str],
    kind: type[LimnerError],
    words: str,
) -> None:
    works(engine, world)
    pid = engine.status()[0].pid
    with pytest.raises(kind, match=words):
        engine.predict(world.model(app=app, **options), world.images[0], probabilities=True)
    assert works(engine, world)
    assert engine.status()[0].pid == pid


def test_a_message_names_the_plugins_own_line(engine: LocalEngine, world: World) -> None:
    with pytest.raises(PluginFailed, match=r"tiny_app\.py:\d+ in _misbehave") as caught:
        engine.predict(world.model(fail="raise"), world.images[0])
    assert "supervision" not in str(caught.value)


def test_what_a_plugin_prints_goes_to_its_log_and_disturbs_nothing(
    make_engine: MakeEngine, world: World, tmp_path: Path
) -> None:
    engine = make_engine()
    model = world.model(app="odd", how="shout")
    engine.predict(model, world.images[0])
    assert works(engine, world)
    engine.stop()
    assert "written past python" in (tmp_path / "logs0" / "predictor.log").read_text()


@pytest.mark.parametrize(
    ("how", "words", "last"),
    [
        ("last words", "exit code 7", "these are my last words"),
        ("crash", "signal SIGSEGV", "Segmentation fault"),
    ],
)
def test_a_worker_that_dies_is_tried_twice_and_reported_with_its_last_words(
    make_engine: MakeEngine, world: World, how: str, words: str, last: str
) -> None:
    engine = make_engine()
    with pytest.raises(WorkerDied, match=f"ended 2 times .* {words}") as caught:
        engine.predict(world.model(app="odd", how=how), world.images[0])
    assert last in caught.value.last_words
    assert works(engine, world)
    status = engine.status()[0]
    assert status.restarts == 2
    assert last in status.last_words


def test_a_plugins_children_end_with_its_worker(
    make_engine: MakeEngine, world: World, wait_until: Wait
) -> None:
    def sleepers() -> list[psutil.Process]:
        return [
            each
            for each in psutil.process_iter(["cmdline"])
            if each.info["cmdline"] == ["sleep", "600"]
        ]

    before = len(sleepers())
    engine = make_engine()
    with pytest.raises(WorkerDied):
        engine.predict(world.model(app="odd", how="leave a child"), world.images[0])
    wait_until(lambda: len(sleepers()) <= before)


def test_a_request_whose_worker_is_killed_is_answered_by_the_next(
    make_engine: MakeEngine, world: World, wait_until: Wait
) -> None:
    engine = make_engine()
    works(engine, world)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(
            engine.predict, world.model(predict_seconds=0.5), world.images[0], client="held"
        )
        wait_until(lambda: engine.status()[0].state == "busy")
        pid = engine.status()[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert future.result(30).answer is not None
    assert engine.status()[0].restarts == 1
    assert engine.status()[0].pid != pid


def test_a_worker_killed_while_it_rests_is_replaced_before_anyone_asks(
    make_engine: MakeEngine, world: World, wait_until: Wait
) -> None:
    engine = make_engine()
    works(engine, world)
    pid = engine.status()[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: engine.status()[0].state == "idle" and engine.status()[0].pid != pid)
    assert works(engine, world)


def test_kills_at_any_moment_lose_no_request(make_engine: MakeEngine, world: World) -> None:
    engine = make_engine()
    works(engine, world)
    over = threading.Event()
    rng = np.random.default_rng(0)

    def kill() -> None:
        for _ in range(4):
            over.wait(0.05 + 0.25 * rng.random())
            pid = engine.status()[0].pid
            if pid is not None and engine.status()[0].state != "starting":
                os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    refused = 0
    with ThreadPoolExecutor(8) as pool:
        futures = [
            pool.submit(
                engine.predict,
                world.model(predict_seconds=0.01),
                world.images[n % 6],
                client=str(n),
            )
            for n in range(80)
        ]
        for future in futures:
            try:
                assert future.result(60).answer is not None
            except WorkerDied:
                refused += 1  # killed twice over the same request: said so, not lost
    killer.join()
    assert refused <= 2
    assert works(engine, world)


def test_a_prediction_that_hangs_is_given_up_and_others_go_on(
    make_engine: MakeEngine, world: World
) -> None:
    engine = make_engine(predict_timeout_s=2)
    works(engine, world)
    with ThreadPoolExecutor(2) as pool:
        hanging = pool.submit(engine.predict, world.model(fail="hang"), world.images[0])
        other = pool.submit(engine.predict, world.model(), world.images[1])
        with pytest.raises(WorkerTimeout, match=r"did not answer within 2 s"):
            hanging.result(30)
        assert other.result(30).answer is not None


def test_a_worker_that_eats_all_memory_is_ended_at_its_limit(
    make_engine: MakeEngine, world: World
) -> None:
    engine = make_engine(memory_limit_mb=600)
    with pytest.raises(WorkerOutOfMemory, match="its limit of 600 MiB"):
        engine.predict(world.model(app="odd", how="eat"), world.images[0])
    assert works(engine, world)
    assert engine.status()[0].restarts == 1


def test_a_killed_training_goes_on_from_its_checkpoint(
    make_engine: MakeEngine, world: World, watcher: Watcher, tmp_path: Path, wait_until: Wait
) -> None:
    engine = make_engine()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(engine.train, world.task(tmp_path / "w", step_seconds=0.1), watcher)
        wait_until(lambda: watcher.reports and watcher.reports[-1].step >= 3)
        pid = engine.status()[1].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        trained = future.result(30)
    assert int(trained.notes[0].split()[-1]) >= 3
    assert trained.steps == 20


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"fail_train": "raise"}, PluginFailed, "failed in train: RuntimeError"),
        ({"fail_train": "shape"}, PluginFailed, "no file of weights at"),
        ({"fail_train": "memory"}, WorkerOutOfMemory, "needed more memory in train"),
        ({"fail_train": "exit"}, WorkerDied, "exit code 3"),
    ],
)
def test_a_training_that_fails_says_how(
    engine: LocalEngine,
    world: World,
    watcher: Watcher,
    tmp_path: Path,
    options: dict[str, str],
    kind: type[LimnerError],
    words: str,
) -> None:
    with pytest.raises(kind, match=words):
        engine.train(world.task(tmp_path / "w", **options), watcher)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("stop unasked", "stopped without having been told"),
        ("elsewhere", "no file of weights|do not lie in the workspace"),
    ],
)
def test_a_training_that_breaks_the_contract_says_how(
    engine: LocalEngine, world: World, watcher: Watcher, tmp_path: Path, how: str, words: str
) -> None:
    with pytest.raises(PluginFailed, match=words):
        engine.train(world.task(tmp_path / "w", app="odd", how=how), watcher)


def test_an_evaluation_that_breaks_the_contract_says_how(
    engine: LocalEngine, world: World, watcher: Watcher
) -> None:
    with pytest.raises(PluginFailed, match="name every case and no other"):
        engine.evaluate(world.model(app="odd"), world.cases, watcher)


def test_numbers_that_json_cannot_say_do_not_leave_the_worker(
    engine: LocalEngine, world: World, watcher: Watcher, tmp_path: Path
) -> None:
    trained = engine.train(world.task(tmp_path / "w", app="odd", how="nan losses"), watcher)
    assert trained.metrics == {"loss": 0.5}
    assert trained.plan["patch"] == [1, 2]
    assert watcher.reports[-1].losses == {"b": 0.5}


def test_a_training_that_reports_nothing_is_given_up(
    make_engine: MakeEngine, world: World, watcher: Watcher, tmp_path: Path
) -> None:
    engine = make_engine(stall_timeout_s=0.5)
    with pytest.raises(WorkerTimeout, match=r"reported nothing for 0\.5 s"):
        engine.train(world.task(tmp_path / "w", app="odd", how="silent"), watcher)


def test_a_training_that_does_not_listen_is_ended_all_the_same(
    make_engine: MakeEngine,
    world: World,
    watcher: Watcher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "STOP_GRACE_S", 0.3)
    engine = make_engine()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(
            engine.train, world.task(tmp_path / "w", app="odd", how="stubborn"), watcher
        )
        assert watcher.began.wait(30)
        began = time.monotonic()
        watcher.stop.set()
        with pytest.raises(Stopped, match="did not stop within"):
            future.result(10)
    assert time.monotonic() - began < 2


def test_an_image_that_kills_the_learner_fails_alone(
    make_engine: MakeEngine, world: World, watcher: Watcher, wait_until: Wait
) -> None:
    engine = make_engine()
    answers: list[Described | Exception] = []

    def each(number: int, outcome: Described | Exception) -> None:
        answers.append(outcome)
        if number == 0:
            pid = engine.status()[1].pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)

    images = list(enumerate(world.images[:4]))
    engine.describe(world.model(predict_seconds=0.05), images, watcher, each)
    assert [type(answer) for answer in answers] == [Described] * 4
    assert engine.status()[1].restarts == 1


def test_a_model_that_kills_every_learner_is_given_up_after_a_few_images(
    make_engine: MakeEngine, world: World, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(describing, "MOST_LOST_IN_A_ROW", 2)
    engine = make_engine()
    answers: list[Described | Exception] = []
    images = [(number, world.images[0]) for number in range(50)]
    with pytest.raises(WorkerDied):
        engine.describe(
            world.model(fail="exit"), images, watcher, lambda number, each: answers.append(each)
        )
    assert [type(answer) for answer in answers] == [WorkerDied] * 2


def test_workers_that_cannot_start_fail_the_work_instead_of_keeping_it(
    make_engine: MakeEngine, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "WORKER_MODULE", "limner.engine.no_such_module")
    engine = make_engine()
    with pytest.raises(WorkerDied, match="The predictor cannot be started: exit code 1") as caught:
        engine.predict(world.model(), world.images[0])
    assert "no_such_module" in caught.value.last_words
    monkeypatch.undo()
    assert engine.pick("tiny", Pool(ids=np.arange(3)), 2, 0)
    assert works(engine, world)
