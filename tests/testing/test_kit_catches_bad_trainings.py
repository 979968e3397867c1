"""Every check of the kit fails for an app that trains or loads otherwise than it must."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.testing.spoiling import fails

from limner.plugin import (
    App,
    AppManifest,
    Image,
    LoadRequest,
    Mask,
    Prediction,
    PredictRequest,
    Progress,
    Trained,
    TrainRequest,
    UnsuitableInput,
    Watch,
)
from limner.testing import AppConformance, Recorder, phantom_cases
from limner.testing.fixtures import Training
from limner.testing.weights import names_in


class Spoiled:
    """An app that works like another but for what is told to it to do otherwise."""

    def __init__(self, app: Any, how: str) -> None:
        self._app = app
        self._how = how

    def load(self, request: LoadRequest) -> Any:
        if self._how == "unpickles":
            try:
                with request.weights.open("rb") as file:
                    pickle.load(file)  # noqa: S301 - the fault under test
            except Exception as error:
                raise UnsuitableInput("These are not the weights of this app.") from error
            raise UnsuitableInput("These are not the weights of this app.")
        if self._how == "believes":
            return object()
        if self._how == "any-schema":
            return object()
        return self._app.load(request)

    def train(self, request: TrainRequest, watch: Watch) -> Trained:
        heard: Watch = watch
        if self._how == "writes-parent" and request.parent is not None:
            request.parent.write_bytes(request.parent.read_bytes() + b" ")
        if self._how == "forgets":
            (request.workspace / "checkpoint.npz").unlink(missing_ok=True)
        if self._how == "deaf":
            heard = Deaf(watch)
        trained: Trained = self._app.train(request, heard)
        return trained


class Deaf:
    """A watch that passes reports on and never says stop."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def progress(self, progress: Progress) -> None:
        self._watch.progress(progress)

    def should_stop(self) -> bool:
        return False


class Blind:
    """A model that has learnt nothing."""

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        array = np.zeros(image.shape, np.uint8)
        return Prediction(answer=Mask(array=array, spacing=image.spacing, affine=image.affine))


@pytest.fixture
def suite(tiny_manifest: AppManifest) -> Any:
    class Suite(AppConformance):
        manifest = tiny_manifest

    return Suite()


@pytest.mark.parametrize(
    ("how", "check"),
    [
        ("deaf", "test_training_told_at_once_stops_in_time"),
        ("forgets", "test_stopped_training_goes_on_where_it_was"),
    ],
)
def test_a_training_that_breaks_its_promises_is_caught(
    suite: Any, tiny_app: App, tiny_training: Training, how: str, check: str, tmp_path: Path
) -> None:
    given = {"training": tiny_training, "axes": 3}
    getattr(suite, check)(app=tiny_app, tmp_path=tmp_path / "good", **given)
    fails(getattr(suite, check), app=Spoiled(tiny_app, how), tmp_path=tmp_path / "bad", **given)


def test_a_training_that_writes_to_its_parent_is_caught(
    suite: Any, tiny_app: App, tiny_training: Training, tmp_path: Path
) -> None:
    parent = tmp_path / "parent.npz"
    parent.write_bytes(tiny_training.trained.weights.read_bytes())
    check = suite.test_warm_start_keeps_the_parents_file_and_the_callers_arrays
    given = {"training": tiny_training, "weights": parent, "axes": 3}
    check(app=tiny_app, tmp_path=tmp_path / "good", **given)
    fails(check, app=Spoiled(tiny_app, "writes-parent"), tmp_path=tmp_path / "bad", **given)


def test_a_model_that_learnt_nothing_is_caught(suite: Any, tiny_training: Training) -> None:
    fails(
        suite.test_training_learns_an_easy_phantom,
        training=tiny_training,
        model=Blind(),
        held_out=phantom_cases(3, 2, seed=9),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": Path("absent.npz")},
        {"metrics": {"loss": float("nan")}},
        {"libraries": {}},
        {"steps": 0},
    ],
    ids=["no-file", "nan", "no-libraries", "no-steps"],
)
def test_a_poor_record_of_a_training_is_caught(
    suite: Any, tiny_training: Training, changes: dict[str, Any]
) -> None:
    suite.test_training_leaves_what_the_server_records(training=tiny_training)
    trained = dataclasses.replace(tiny_training.trained, **changes)
    spoiled = dataclasses.replace(tiny_training, trained=trained)
    fails(suite.test_training_leaves_what_the_server_records, training=spoiled)


@pytest.mark.parametrize(
    "reports",
    [
        [],
        [(0, 10), (5, 10)],
        [(0, 10), (6, 10), (5, 10), (10, 10)],
        [(1, 10), (10, 10), (20, 20)],
    ],
    ids=["none", "unfinished", "backwards", "growing"],
)
def test_progress_that_misleads_is_caught(
    suite: Any, tiny_training: Training, reports: Sequence[tuple[int, int]]
) -> None:
    suite.test_training_reports_progress(training=tiny_training)
    watch = Recorder()
    watch.should_stop()
    for step, total in reports:
        watch.progress(Progress(step=step, total=total))
    spoiled = dataclasses.replace(tiny_training, watch=watch)
    fails(suite.test_training_reports_progress, training=spoiled)


def test_loading_that_unpickles_is_caught(
    suite: Any, tiny_app: App, tiny_training: Training, tmp_path: Path
) -> None:
    check = suite.test_a_file_that_is_no_weights_is_refused_and_runs_nothing
    given = {"weights": tiny_training.trained.weights, "what": "pickle", "tmp_path": tmp_path}
    check(app=tiny_app, **given)
    with pytest.raises(AssertionError, match="ran code"):
        check(app=Spoiled(tiny_app, "unpickles"), **given)


def test_loading_that_believes_anything_is_caught(
    suite: Any, tiny_app: App, tiny_training: Training, tmp_path: Path
) -> None:
    check = suite.test_a_file_that_is_no_weights_is_refused_and_runs_nothing
    weights = tiny_training.trained.weights
    app = Spoiled(tiny_app, "believes")
    fails(check, app=app, weights=weights, what="text", tmp_path=tmp_path)
    fails(
        suite.test_a_file_that_is_not_there_is_refused, app=app, weights=weights, tmp_path=tmp_path
    )
    fails(
        suite.test_a_schema_that_the_weights_do_not_fit_is_refused,
        app=app,
        model=None,
        weights=weights,
    )


class Custom:
    """Something that only this module can unpickle."""


@pytest.mark.parametrize("kind", ["pickle", "objects"])
def test_weights_that_hold_code_are_caught(suite: Any, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "weights.npz"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Custom()))
    else:
        np.savez(path, weights=np.array([Custom()], dtype=object))
    fails(suite.test_weights_hold_no_pickled_code, weights=path)


def test_weights_of_tensors_are_harmless_and_models_are_not(suite: Any, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    tensors, model = tmp_path / "tensors.pt", tmp_path / "model.pt"
    torch.save({"weight": torch.zeros(3)}, tensors)
    torch.save({"weight": Custom()}, model)
    suite.test_weights_hold_no_pickled_code(weights=tensors)
    assert any("Custom" in name for name in names_in(model))
    fails(suite.test_weights_hold_no_pickled_code, weights=model)
