"""Trainings, evaluations, descriptions and picks by real workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from limner.engine.local import LocalEngine
from limner.errors import ImageError, PluginFailed
from limner.images import ImageSource
from limner.images.descriptors import descriptors
from limner.plugin import Described, Pool, Stopped, Trained

if TYPE_CHECKING:
    from tests.engine.conftest import MakeEngine, Watcher, World

Wait = Callable[..., Any]
POOL = Pool(ids=np.arange(40), scores={"entropy": np.linspace(0, 1, 40, dtype=np.float32)})


def training(
    engine: LocalEngine, world: World, workspace: Path, watcher: Watcher, **options: Any
) -> Future[Trained]:
    """Train in a thread of its own."""
    future: Future[Trained] = Future()

    def run() -> None:
        try:
            future.set_result(engine.train(world.task(workspace, **options), watcher))
        except Exception as error:  # noqa: BLE001 - handed to the test
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def test_a_training_leaves_weights_that_predict_and_measure_well(
    engine: LocalEngine, world: World, watcher: Watcher, tmp_path: Path
) -> None:
    trained = engine.train(world.task(tmp_path / "w"), watcher)
    model = world.model("new")
    evaluation = engine.evaluate(model, world.cases, watcher)
    assert trained.weights.parent == tmp_path / "w"
    assert set(evaluation.case_scores) == {case.id for case in world.cases}
    assert min(evaluation.case_scores.values()) > 0.8


def test_progress_arrives_in_the_callers_thread_and_ends_with_the_last_step(
    engine: LocalEngine, world: World, tmp_path: Path
) -> None:
    class Here:
        threads: set[int] = set()  # noqa: RUF012 - one test alone uses it
        steps: list[tuple[int, int]] = []  # noqa: RUF012

        def progress(self, progress: Any) -> None:
            self.threads.add(threading.get_ident())
            self.steps.append((progress.step, progress.total))

        def should_stop(self) -> bool:
            return False

    here = Here()
    engine.train(world.task(tmp_path / "w", step_seconds=0.02), here)
    assert here.threads == {threading.get_ident()}
    assert here.steps[0] == (0, 20)
    assert here.steps[-1] == (20, 20)
    assert here.steps == sorted(here.steps)


def test_a_training_stops_soon_after_it_is_told_and_goes_on_where_it_was(
    engine: LocalEngine, world: World, watcher: Watcher, tmp_path: Path, wait_until: Wait
) -> None:
    future = training(engine, world, tmp_path / "w", watcher, step_seconds=0.1)
    wait_until(lambda: watcher.reports and watcher.reports[-1].step >= 2)
    began = time.monotonic()
    watcher.stop.set()
    with pytest.raises(Stopped):
        future.result(30)
    assert time.monotonic() - began < 2
    watcher.stop.clear()
    trained = engine.train(world.task(tmp_path / "w"), watcher)
    assert "went on from step" in trained.notes[0]
    assert trained.steps == 20


def test_a_training_that_waits_its_turn_can_be_stopped(
    engine: LocalEngine, world: World, watcher: Watcher, tmp_path: Path
) -> None:
    first = training(engine, world, tmp_path / "a", watcher, step_seconds=0.05)
    assert watcher.began.wait(30)
    second_watcher = type(watcher)()
    second = training(engine, world, tmp_path / "b", second_watcher)
    second_watcher.stop.set()
    with pytest.raises(Stopped, match="before it began"):
        second.result(30)
    assert not (tmp_path / "b").exists()
    watcher.stop.set()
    with pytest.raises(Stopped):
        first.result(30)


def test_a_watch_that_raises_ends_the_training(
    engine: LocalEngine, world: World, tmp_path: Path, wait_until: Wait
) -> None:
    class Broken:
        def progress(self, progress: Any) -> None:
            raise ConnectionError("nobody listens")

        def should_stop(self) -> bool:
            return False

    with pytest.raises(ConnectionError):
        engine.train(world.task(tmp_path / "w", step_seconds=0.2), Broken())
    wait_until(lambda: engine.status()[1].state == "idle")


def test_predictions_and_picks_do_not_wait_for_a_training(
    engine: LocalEngine, world: World, watcher: Watcher, tmp_path: Path
) -> None:
    future = training(engine, world, tmp_path / "w", watcher, step_seconds=2)
    assert watcher.began.wait(30)
    for source in world.images:
        engine.predict(world.model(), source)
    assert len(engine.pick("tiny", POOL, 5, 0)) == 5
    assert not future.done()
    watcher.stop.set()
    with pytest.raises(Stopped):
        future.result(30)


def test_describing_goes_on_past_an_image_that_fails(
    engine: LocalEngine, world: World, watcher: Watcher, tmp_path: Path
) -> None:
    absent = ImageSource(paths=(tmp_path / "absent.nii",), name="absent")
    images = [*enumerate(world.images[:3]), (70, absent), (71, world.images[3])]
    answers: list[tuple[int, Described | Exception]] = []
    engine.describe(
        world.model(), images, watcher, lambda number, each: answers.append((number, each))
    )
    assert [number for number, _ in answers] == [0, 1, 2, 70, 71]
    assert isinstance(answers[3][1], ImageError)
    good = [each for _, each in answers if isinstance(each, Described)]
    assert len(good) == 4
    assert all(0 <= each.description.scores["entropy"] <= 1 for each in good)


def test_describing_stops_when_told_and_leaves_nothing_waiting(
    engine: LocalEngine, world: World, watcher: Watcher, wait_until: Wait
) -> None:
    seen = []

    def each(number: int, outcome: Described | Exception) -> None:
        seen.append(number)
        if number == 2:
            watcher.stop.set()

    images = [(number, world.images[0]) for number in range(1000)]
    with pytest.raises(Stopped):
        engine.describe(world.model(predict_seconds=0.02), images, watcher, each)
    assert seen == [0, 1, 2]
    wait_until(lambda: engine.status()[1].state == "idle")
    assert len(engine._default.learning) == 0


def test_pixels_are_described_without_a_model_past_an_image_that_fails(
    engine: LocalEngine, world: World, watcher: Watcher, tmp_path: Path
) -> None:
    absent = ImageSource(paths=(tmp_path / "absent.nii",), name="absent")
    images = [(4, world.images[0]), (70, absent), (2, world.images[1])]
    answers: list[tuple[int, Any]] = []
    engine.describe_pixels(images, watcher, lambda number, each: answers.append((number, each)))
    assert [number for number, _ in answers] == [4, 70, 2]
    assert isinstance(answers[1][1], ImageError)
    for (_, said), image in zip(answers[::2], world.images[:2], strict=True):
        np.testing.assert_array_equal(said, descriptors(image.read().array))


def test_describing_pixels_stops_when_told(
    engine: LocalEngine, world: World, watcher: Watcher
) -> None:
    watcher.stop.set()
    with pytest.raises(Stopped):
        engine.describe_pixels([(1, world.images[0])], watcher, lambda *_: None)


def test_a_model_that_cannot_be_loaded_fails_the_description_once(
    engine: LocalEngine, world: World, watcher: Watcher
) -> None:
    answers: list[object] = []
    with pytest.raises(PluginFailed, match="failed in load: RuntimeError: the weights are odd"):
        engine.describe(
            world.model(app="odd", how="no load"),
            list(enumerate(world.images)),
            watcher,
            lambda number, each: answers.append(each),
        )
    assert answers == []


def test_abilities_that_a_model_lacks_are_named(
    engine: LocalEngine, world: World, watcher: Watcher
) -> None:
    answers: list[object] = []
    engine.describe(
        world.model(app="odd"),
        [(1, world.images[0])],
        watcher,
        lambda number, each: answers.append(each),
    )
    assert "cannot describe" in str(answers[0])


def test_picks_are_the_strategys(engine: LocalEngine) -> None:
    picks = engine.pick("tiny", POOL, 3, 0)
    assert [pick.index for pick in picks] == [39, 38, 37]


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        (1, "picked a row twice"),
        (2, "picked row 40 of 40"),
        (3, "gave 39 picks"),
        (4, "read-only"),
        (5, "Strategy 'odd' failed in pick: RuntimeError: no idea"),
        (6, "a score is nan"),
    ],
)
def test_a_strategy_that_breaks_the_contract_is_named(
    engine: LocalEngine, seed: int, words: str
) -> None:
    with pytest.raises(PluginFailed, match=words):
        engine.pick("odd", POOL, 40, seed)


def test_a_large_pool_crosses_without_being_changed(engine: LocalEngine) -> None:
    count = 200_000
    entropy = np.random.default_rng(0).permutation(count).astype(np.float32)
    embedding = np.zeros((count, 8), np.float32)
    pool = Pool(ids=np.arange(count), scores={"entropy": entropy}, embedding=embedding)
    before = entropy.copy()
    picks = engine.pick("tiny", pool, 100, 0)
    assert [pick.index for pick in picks] == np.argsort(-entropy)[:100].tolist()
    assert np.array_equal(entropy, before)


def test_the_same_seed_trains_the_same_model(
    engine: LocalEngine, world: World, watcher: Watcher, tmp_path: Path
) -> None:
    first, second = (
        engine.train(world.task(tmp_path / name), watcher).weights for name in ("a", "b")
    )
    with np.load(first) as left, np.load(second) as right:
        assert all(np.array_equal(left[name], right[name]) for name in left.files)


def test_many_callers_of_all_kinds_at_once_get_right_answers(
    make_engine: MakeEngine, world: World, watcher: Watcher, tmp_path: Path
) -> None:
    engine = make_engine()

    def one(number: int) -> bool:
        if number % 8 == 0:
            return engine.train(world.task(tmp_path / str(number)), type(watcher)()).steps == 20
        if number % 8 == 1:
            return len(engine.pick("tiny", POOL, 5, 0)) == 5
        if number % 8 == 2:
            found = engine.evaluate(world.model(), world.cases, type(watcher)())
            return len(found.case_scores) == 6
        return engine.predict(world.model(), world.images[number % 6]).answer is not None

    with ThreadPoolExecutor(24) as pool:
        assert all(pool.map(one, range(64)))


def test_a_case_that_went_bad_is_left_out_and_said_so(
    engine: LocalEngine, world: World, watcher: Watcher, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.nii.gz"
    bad.write_bytes(world.cases[0].image.paths[0].read_bytes()[:200])
    broken = replace(world.cases[0], image=replace(world.cases[0].image, paths=(bad,)))
    task = world.task(tmp_path / "w")
    trained = engine.train(replace(task, train=(broken, *world.cases[1:])), watcher)
    assert any(f"Sample {broken.id} was left out" in note for note in trained.notes)
    evaluation = engine.evaluate(world.model("kept"), (broken, *world.cases[1:]), watcher)
    assert set(evaluation.case_scores) == {case.id for case in world.cases[1:]}
    with pytest.raises(ImageError):
        engine.train(replace(task, train=(broken,), workspace=tmp_path / "v"), watcher)
