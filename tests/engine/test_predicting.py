"""Predictions by a real worker: right, fair, and urgent work first."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest

from limner.engine import Priority, tickets
from limner.engine.local import LocalEngine
from limner.engine.messages import Ready
from limner.errors import EngineBusy, ImageError, InvalidRequest, NotFound
from limner.images import ImageSource
from limner.plugin import LoadRequest, Mask, PredictRequest, UnsuitableInput
from limner.registry import APPS, Registry, make_app, merged_options

if TYPE_CHECKING:
    from tests.engine.conftest import MakeEngine, World

Wait = Callable[..., Any]


def mask_of(answer: object) -> Mask:
    assert isinstance(answer, Mask)
    return answer


def test_a_prediction_is_what_the_app_says_in_the_images_own_geometry(
    engine: LocalEngine, world: World, registry: Registry
) -> None:
    app = make_app(registry.source(APPS, "tiny"))
    bare = app.load(
        LoadRequest(
            weights=world.weights,
            schema=world.schema,
            options=merged_options(registry.app("tiny"), {}),
        )
    )
    for source in world.images:
        image = source.read()
        expected = bare.predict(image, PredictRequest(probabilities=True))
        got = engine.predict(world.model(), source, probabilities=True)
        assert np.array_equal(mask_of(got.answer).array, mask_of(expected.answer).array)
        assert set(np.unique(mask_of(got.answer).array)) == {0, 1, 2}
        assert np.array_equal(got.probabilities, expected.probabilities)  # type: ignore[arg-type]
        assert np.array_equal(mask_of(got.answer).affine, image.affine)  # type: ignore[arg-type]


def test_a_large_answer_comes_back_whole_and_can_be_changed(
    engine: LocalEngine, world: World, tmp_path: Path
) -> None:
    shape = (96, 96, 64)
    array = np.random.default_rng(0).integers(0, 900, shape).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), tmp_path / "large.nii")
    source = ImageSource(paths=(tmp_path / "large.nii",), name="large")
    mask = mask_of(engine.predict(world.model(), source).answer)
    assert mask.array.shape == shape
    assert mask.array.nbytes > 128 * 1024
    mask.array[:] = 0
    assert engine.predict(world.model(), source).answer.array.any()  # type: ignore[union-attr]


def test_probabilities_come_only_when_asked_for(engine: LocalEngine, world: World) -> None:
    assert engine.predict(world.model(), world.images[0]).probabilities is None


def test_sixteen_callers_at_once_each_get_their_own_answer(
    engine: LocalEngine, world: World
) -> None:
    expected = [
        mask_of(engine.predict(world.model(), source).answer).array for source in world.images
    ]

    def ask(number: int) -> bool:
        place = number % len(world.images)
        answer = engine.predict(world.model(), world.images[place], client=f"client {number}")
        return np.array_equal(mask_of(answer.answer).array, expected[place])

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(96)))


class Asker:
    """Asks for predictions in threads and remembers the order of the answers."""

    def __init__(self, engine: LocalEngine, world: World) -> None:
        self.order: list[str] = []
        self._engine = engine
        self._world = world
        self._threads: list[threading.Thread] = []

    def ask(self, name: str, client: str, priority: Priority = Priority.INTERACTIVE) -> None:
        def run() -> None:
            model = self._world.model(predict_seconds=0.05)
            self._engine.predict(model, self._world.images[0], client=client, priority=priority)
            self.order.append(name)

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def join(self) -> list[str]:
        for thread in self._threads:
            thread.join(20)
        return self.order


def waiting(engine: LocalEngine) -> int:
    return len(engine._default.predictions)


def test_a_client_with_few_requests_is_not_kept_waiting_by_one_with_many(
    engine: LocalEngine, world: World, wait_until: Wait
) -> None:
    asker = Asker(engine, world)
    for number in range(8):
        asker.ask(f"many {number}", "many")
    wait_until(lambda: waiting(engine) == 7)
    asker.ask("few", "few")
    order = asker.join()
    assert order.index("few") <= 3


def test_interactive_work_goes_before_bulk_work_that_came_first(
    engine: LocalEngine, world: World, wait_until: Wait
) -> None:
    asker = Asker(engine, world)
    for number in range(6):
        asker.ask(f"bulk {number}", "bulk", Priority.BULK)
    wait_until(lambda: waiting(engine) == 5)
    for number in range(3):
        asker.ask(f"interactive {number}", "bulk")
    order = asker.join()
    assert max(order.index(f"interactive {number}") for number in range(3)) <= 4


def test_more_waiting_work_than_is_sensible_is_refused(
    engine: LocalEngine, world: World, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tickets, "MOST_WAITING", 2)
    asker = Asker(engine, world)
    asker.ask("in work", "a")
    wait_until(lambda: engine.status()[0].state == "busy")
    asker.ask("first", "a")
    asker.ask("second", "a")
    wait_until(lambda: waiting(engine) == 2)
    with pytest.raises(EngineBusy, match="2 requests wait"):
        engine.predict(world.model(), world.images[0])
    assert len(asker.join()) == 3


def test_models_are_swapped_between_requests_and_the_ones_used_last_stay(
    make_engine: MakeEngine, world: World, tmp_path: Path
) -> None:
    engine = make_engine(warm_models=2)
    for key in ("a", "b", "a", "c", "a", "b"):
        engine.predict(world.model(key), world.images[0])
    engine.stop()
    log = (tmp_path / "logs0" / "predictor.log").read_text()
    loaded = [line.split("Loaded model ")[1][0] for line in log.splitlines() if "Loaded" in line]
    assert loaded == ["a", "b", "c", "b"]


def test_a_warmed_model_is_not_loaded_again(
    make_engine: MakeEngine, world: World, tmp_path: Path
) -> None:
    engine = make_engine()
    engine.warm(world.model())
    engine.predict(world.model(), world.images[0])
    engine.stop()
    assert (tmp_path / "logs0" / "predictor.log").read_text().count("Loaded model") == 1


def test_threads_are_limited_by_the_environment_and_by_the_request(
    make_engine: MakeEngine, world: World
) -> None:
    engine = make_engine(predictor_threads=2)
    model = replace(world.model(app="odd", how="environment"), schema=world.schema)
    answer = engine.predict(model, world.images[0]).answer
    assert list(mask_of(answer).array.flat[:2]) == [2, 2]


def test_errors_of_images_and_apps_pass_as_they_are(
    engine: LocalEngine, world: World, tmp_path: Path
) -> None:
    absent = ImageSource(paths=(tmp_path / "absent.nii",), name="absent")
    with pytest.raises(ImageError, match=r"absent\.nii"):
        engine.predict(world.model(), absent)
    flat = tmp_path / "flat.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4, 3), np.int16), np.eye(4)), flat)
    with pytest.raises(UnsuitableInput, match="takes 1 channels"):
        engine.predict(world.model(), ImageSource(paths=(flat,), name="flat"))
    wrong = replace(world.model("wrong"), weights=flat)
    with pytest.raises(UnsuitableInput, match="holds no weights"):
        engine.predict(wrong, world.images[0])
    with pytest.raises(UnsuitableInput, match="too odd"):
        engine.predict(world.model(app="odd", how="own error"), world.images[0])


def test_unknown_apps_and_options_are_refused_before_any_work(
    engine: LocalEngine, world: World
) -> None:
    with pytest.raises(NotFound, match="nobody"):
        engine.predict(world.model(app="nobody"), world.images[0])
    with pytest.raises(InvalidRequest, match="speed"):
        engine.predict(world.model(speed=1), world.images[0])


def test_starting_takes_no_time_and_the_first_prediction_soon_follows(
    make_engine: MakeEngine, world: World
) -> None:
    began = time.monotonic()
    engine = make_engine()
    assert time.monotonic() - began < 1
    engine.predict(world.model(), world.images[0])
    assert time.monotonic() - began < 15


def test_every_device_has_a_predictor_of_its_own_and_they_work_side_by_side(
    make_engine: MakeEngine, world: World, wait_until: Wait, tmp_path: Path
) -> None:
    engine = make_engine()
    wait_until(lambda: engine.status()[0].state == "idle")
    engine._default.add_predictors(Ready(device="cpu", devices=("cpu", "cpu:1"), limner=""))
    wait_until(lambda: engine.status()[1].state == "idle")
    assert [each.name for each in engine.status()] == [
        "predictor cpu",
        "predictor cpu:1",
        "learner",
        "picker",
    ]
    asker = Asker(engine, world)
    for number in range(6):
        asker.ask(str(number), str(number))
    wait_until(lambda: {each.state for each in engine.status()[:2]} == {"busy"})
    assert sorted(asker.join()) == list("012345")
    assert (tmp_path / "logs0" / "predictor-cpu1.log").exists()
