"""Every check of the kit fails for a model that breaks what it checks."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.testing.spoiling import Change, Deaf, Spoiled, fails

from limner.plugin import (
    App,
    AppManifest,
    Case,
    Described,
    Evaluation,
    Image,
    LoadRequest,
    Mask,
    Prediction,
    PredictRequest,
    Progress,
    UnsuitableInput,
    Watch,
)
from limner.testing import AppConformance, phantom_cases
from limner.testing.fixtures import Training

CALLS = itertools.count()


def mask(prediction: Prediction) -> Mask:
    assert isinstance(prediction.answer, Mask)
    return prediction.answer


def with_mask(prediction: Prediction, **changes: Any) -> Prediction:
    return dataclasses.replace(prediction, answer=dataclasses.replace(mask(prediction), **changes))


def with_probabilities(prediction: Prediction, change: Callable[[Any], Any]) -> Prediction:
    if prediction.probabilities is None:
        return prediction
    return dataclasses.replace(prediction, probabilities=change(prediction.probabilities))


def scribbled(image: Image, prediction: Prediction) -> Prediction:
    """Writes to the image, read-only or not."""
    image.array.setflags(write=True)
    image.array[..., 0] = 1
    image.array.setflags(write=False)
    return prediction


def flickering(image: Image, prediction: Prediction) -> Prediction:
    return with_mask(prediction, array=np.roll(mask(prediction).array, next(CALLS), axis=0))


def nameless(image: Image, prediction: Prediction) -> Prediction:
    return with_mask(prediction, array=np.minimum(mask(prediction).array, 1))


SPOILED: dict[str, tuple[str, Change]] = {
    "turned": (
        "test_answer_comes_back_in_the_images_geometry",
        lambda _, p: with_mask(p, array=mask(p).array.T.copy()),
    ),
    "wide": (
        "test_answer_comes_back_in_the_images_geometry",
        lambda _, p: with_mask(p, array=mask(p).array.astype(np.int64)),
    ),
    "isotropic": (
        "test_answer_comes_back_in_the_images_geometry",
        lambda _, p: with_mask(p, spacing=(1.0, 1.0, 1.0)),
    ),
    "straightened": (
        "test_answer_comes_back_in_the_images_geometry",
        lambda _, p: with_mask(p, affine=np.eye(4)),
    ),
    "without-affine": (
        "test_answer_comes_back_in_the_images_geometry",
        lambda _, p: with_mask(p, affine=None),
    ),
    "places-for-values": ("test_answer_comes_back_in_the_images_geometry", nameless),
    "odd-sizes-cut": (
        "test_images_of_any_size_are_predicted",
        lambda i, p: with_mask(p, array=mask(p).array[: i.shape[0] // 2 * 2]),
    ),
    "half-sure": (
        "test_probabilities_are_sound_when_asked_for",
        lambda _, p: with_probabilities(p, lambda a: a / 2),
    ),
    "no-background": (
        "test_probabilities_are_sound_when_asked_for",
        lambda _, p: with_probabilities(p, lambda a: a[1:]),
    ),
    "reversed-classes": (
        "test_probabilities_are_sound_when_asked_for",
        lambda _, p: with_probabilities(p, lambda a: a[::-1]),
    ),
    "never-probabilities": (
        "test_probabilities_are_sound_when_asked_for",
        lambda _, p: dataclasses.replace(p, probabilities=None),
    ),
    "always-probabilities": (
        "test_probabilities_are_left_out_when_nobody_asks",
        lambda i, p: dataclasses.replace(p, probabilities=np.zeros((3, *i.shape), np.float32)),
    ),
    "flickering": ("test_same_seed_gives_the_same_answer", flickering),
    "layout": (
        "test_memory_layout_does_not_matter",
        lambda i, p: p if i.array.flags.c_contiguous else nameless(i, p),
    ),
    "scribbling": ("test_the_callers_arrays_stay_as_they_were", scribbled),
    "view": (
        "test_the_answer_is_no_view_of_the_image",
        lambda i, p: with_mask(p, array=i.array[0]),
    ),
    "flat-nan": (
        "test_an_image_without_contrast_is_predicted",
        lambda i, p: with_probabilities(p, lambda a: a / np.float32(i.array.std() > 0)),
    ),
    "described-otherwise": ("test_describing_predicts_what_predicting_does", flickering),
}

DESCRIBED: dict[str, tuple[str, dict[str, Any]]] = {
    "nan": ("test_description_is_finite_and_in_range", {"scores": {"entropy": float("nan")}}),
    "in-bits": ("test_description_is_finite_and_in_range", {"scores": {"entropy": 1.58}}),
    "nothing": ("test_description_is_finite_and_in_range", {"scores": {}}),
    "too-long": (
        "test_description_is_finite_and_in_range",
        {"class_scores": np.zeros(3, np.float32)},
    ),
    "percent": (
        "test_description_is_finite_and_in_range",
        {"class_fractions": np.array([50, 30, 20], np.float32)},
    ),
    "endless": (
        "test_description_is_finite_and_in_range",
        {"embedding": np.full(4, np.inf, np.float32)},
    ),
}


class Misdescribing:
    """A model whose descriptions are spoiled."""

    def __init__(self, model: Any, changes: dict[str, Any]) -> None:
        self._model = model
        self._changes = changes

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        prediction: Prediction = self._model.predict(image, request)
        return prediction

    def describe(self, image: Image, request: PredictRequest) -> Described:
        described: Described = self._model.describe(image, request)
        return dataclasses.replace(
            described, description=dataclasses.replace(described.description, **self._changes)
        )


class Misjudging:
    """A model whose evaluation is spoiled in a named way."""

    def __init__(self, model: Any, how: str) -> None:
        self._model = model
        self._how = how

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        prediction: Prediction = self._model.predict(image, request)
        return prediction

    def evaluate(self, cases: Sequence[Case], watch: Watch) -> Evaluation:
        if self._how == "deaf":
            watch.progress(Progress(step=0, total=len(cases)))
            return self._model.evaluate(cases[:1], Deaf())  # type: ignore[no-any-return]
        made: Evaluation = self._model.evaluate(cases, Deaf() if self._how == "mute" else watch)
        scores = dict(made.case_scores)
        if self._how == "flattering":
            scores = {name: min(1.0, score + 0.1) * 0.9 for name, score in scores.items()}
        if self._how == "forgetful":
            scores.popitem()
        if self._how == "empty-is-nan":
            scores = dict.fromkeys(scores, float("nan"))
        return dataclasses.replace(made, case_scores=scores)


@pytest.fixture
def suite(tiny_manifest: AppManifest) -> Any:
    class Suite(AppConformance):
        manifest = tiny_manifest

    return Suite()


@pytest.fixture
def loaded(tiny_app: App, tiny_training: Training) -> Any:
    request = tiny_training.request
    return tiny_app.load(LoadRequest(weights=tiny_training.trained.weights, schema=request.schema))


def extras(check: str, app: App, training: Training) -> dict[str, Any]:
    if check == "test_same_seed_gives_the_same_answer":
        return {"app": app, "weights": training.trained.weights}
    if "geometry" in check or "sound_when_asked_for" in check or "in_range" in check:
        return {"geometry": "oblique"}
    return {"level": 0} if check == "test_an_image_without_contrast_is_predicted" else {}


@pytest.mark.parametrize("fault", SPOILED)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_a_spoiled_prediction_is_caught(
    suite: Any, loaded: Any, tiny_app: App, tiny_training: Training, fault: str
) -> None:
    check, change = SPOILED[fault]
    given = extras(check, tiny_app, tiny_training)
    getattr(suite, check)(model=loaded, axes=3, **given)
    fails(getattr(suite, check), model=Spoiled(loaded, change), axes=3, **given)


@pytest.mark.parametrize("fault", DESCRIBED)
def test_a_spoiled_description_is_caught(suite: Any, loaded: Any, fault: str) -> None:
    check, changes = DESCRIBED[fault]
    getattr(suite, check)(model=loaded, axes=3, geometry="odd")
    fails(getattr(suite, check), model=Misdescribing(loaded, changes), axes=3, geometry="odd")


@pytest.mark.parametrize(
    ("how", "check"),
    [
        ("flattering", "test_dice_is_what_the_predictions_have"),
        ("forgetful", "test_every_case_is_scored_in_range"),
        ("mute", "test_evaluation_reports_progress"),
        ("deaf", "test_evaluation_stops_when_told"),
    ],
)
def test_a_spoiled_evaluation_is_caught(suite: Any, loaded: Any, how: str, check: str) -> None:
    cases = phantom_cases(3, 3, seed=9)
    getattr(suite, check)(model=loaded, held_out=cases)
    fails(getattr(suite, check), model=Misjudging(loaded, how), held_out=cases)


def test_a_score_that_is_nan_for_an_empty_label_is_caught(suite: Any, loaded: Any) -> None:
    check = suite.test_labels_with_nothing_to_find_are_scored
    check(model=loaded, axes=3)
    fails(check, model=Misjudging(loaded, "empty-is-nan"), axes=3)


class Lenient:
    """A model that answers whatever it is shown."""

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        array = np.zeros(image.shape, np.uint8)
        return Prediction(answer=Mask(array=array, spacing=image.spacing, affine=image.affine))


class Curt:
    """A model that refuses without saying why."""

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        raise UnsuitableInput("bad")


@pytest.mark.parametrize("model", [Lenient(), Curt()], ids=["lenient", "curt"])
def test_a_model_that_takes_anything_or_says_nothing_is_caught(suite: Any, model: Any) -> None:
    fails(suite.test_another_number_of_channels_is_refused, model=model, axes=3)
    fails(suite.test_an_empty_image_is_refused, model=model, axes=3)
    fails(suite.test_an_impossible_number_of_axes_is_refused, model=model, shape=(9,))


class Collapsing:
    """A model that takes channels for slices."""

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        array = np.zeros(image.array.shape, np.uint8)
        return Prediction(answer=Mask(array=array, spacing=image.spacing, affine=image.affine))


@pytest.mark.parametrize("model", [Collapsing(), Curt()], ids=["collapsing", "curt"])
def test_colour_that_is_answered_otherwise_than_in_full_is_caught(suite: Any, model: Any) -> None:
    suite.test_colour_is_refused_or_answered_in_full(model=Lenient(), axes=3)
    fails(suite.test_colour_is_refused_or_answered_in_full, model=model, axes=3)


def test_an_absent_ability_is_skipped_with_the_reason(tiny_manifest: AppManifest) -> None:
    class Suite(AppConformance):
        manifest = dataclasses.replace(tiny_manifest, abilities=frozenset())

    with pytest.raises(pytest.skip.Exception, match="does not declare the ability 'describe'"):
        Suite().test_embeddings_of_a_model_have_one_length(model=Lenient(), axes=3)
    with pytest.raises(pytest.skip.Exception, match="does not declare the ability 'evaluate'"):
        Suite().test_evaluation_stops_when_told(
            model=Lenient(), held_out=phantom_cases(3, 1, seed=9)
        )


def test_a_declared_ability_that_is_missing_is_caught(suite: Any) -> None:
    fails(suite.test_embeddings_of_a_model_have_one_length, model=Lenient(), axes=3)


def test_a_workspace_is_made_for_each_training(suite: Any, tmp_path: Path) -> None:
    request = suite.train_request(tmp_path / "new", phantom_cases(3, 1, seed=1), 0.5)
    assert request.workspace.is_dir()
    assert request.cache.is_dir()
    assert request.options["step_seconds"] == 0.0
