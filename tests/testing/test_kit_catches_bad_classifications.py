"""Every check of the kit fails for an app that sorts images otherwise than it must."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.testing.conftest import Example
from tests.testing.spoiling import Change, Lenient, Loading, Misjudging, Spoiled, fails

from limner.plugin import (
    ClassScores,
    Evaluation,
    FloatArray,
    Image,
    LoadRequest,
    Prediction,
    PredictRequest,
    UnsuitableInput,
)
from limner.testing import draw_texture
from limner.testing.classification.phantoms import SCHEMA, SEVERAL
from limner.testing.classification.quality import balanced_accuracy, mean_auroc

CALLS = itertools.count()

GEOMETRY = "test_answer_comes_back_in_the_images_geometry"

Explain = Callable[[Image, int, FloatArray], Any]


def changed(change: Callable[[FloatArray], Any]) -> Change:
    """Change the scores of an answer."""

    def changing(_: Image, prediction: Prediction) -> Prediction:
        assert isinstance(prediction.answer, ClassScores)
        scores = change(prediction.answer.probabilities)
        return dataclasses.replace(prediction, answer=ClassScores(probabilities=scores))

    return changing


def flickering(scores: FloatArray) -> FloatArray:
    return np.roll(scores, next(CALLS))


SPOILED: dict[str, tuple[str, Change]] = {
    "with-background": (GEOMETRY, changed(lambda a: np.append(np.float32(0), a))),
    "logits": (GEOMETRY, changed(lambda a: np.log(a))),
    "independent": (GEOMETRY, changed(lambda a: np.ones_like(a))),
    "half-sure": (GEOMETRY, changed(lambda a: a / 2)),
    "below-zero": (GEOMETRY, changed(lambda a: np.array([-0.5, 1.5], np.float32))),
    "double": (GEOMETRY, changed(lambda a: a.astype(np.float64))),
    "nan": (GEOMETRY, changed(lambda a: a * np.float32(np.nan))),
    "probabilities": (
        "test_probabilities_are_sound_when_asked_for",
        lambda i, p: dataclasses.replace(p, probabilities=np.zeros((3, *i.shape), np.float32)),
    ),
    "flickering": ("test_same_seed_gives_the_same_answer", changed(flickering)),
    "described-otherwise": (
        "test_describing_predicts_what_predicting_does",
        changed(flickering),
    ),
}


@pytest.mark.parametrize("fault", SPOILED)
def test_a_spoiled_answer_is_caught(classification: Example, fault: str) -> None:
    name, change = SPOILED[fault]
    given: dict[str, Any] = {"axes": 2}
    if name == "test_same_seed_gives_the_same_answer":
        given |= {"app": classification.app, "weights": classification.weights}
    if "geometry" in name or "asked_for" in name:
        given |= {"geometry": "odd"}
    model = classification.model
    classification.check(name)(model=model, **given)
    fails(classification.check(name), model=Spoiled(model, change), **given)


def held_out(example: Example) -> list[Any]:
    cases: list[Any] = example.suite.kit().cases(example.axes, 6, seed=9)
    return cases


def one_score_for_all(evaluation: Evaluation) -> Evaluation:
    return dataclasses.replace(evaluation, case_scores=dict.fromkeys(evaluation.case_scores, 0.9))


def loss_for_score(evaluation: Evaluation) -> Evaluation:
    losses = {name: 1 - score for name, score in evaluation.case_scores.items()}
    return dataclasses.replace(evaluation, case_scores=losses)


def high_chance(evaluation: Evaluation) -> Evaluation:
    return dataclasses.replace(evaluation, chance=1.0)


@pytest.mark.parametrize("change", [one_score_for_all, loss_for_score, high_chance])
def test_a_measure_that_does_not_follow_the_labels_is_caught(
    classification: Example, change: Callable[[Evaluation], Evaluation]
) -> None:
    check = classification.check("test_wrong_labels_lower_the_score")
    check(model=classification.model, held_out=held_out(classification))
    model = Misjudging(classification.model, change)
    fails(check, model=model, held_out=held_out(classification))


def with_metrics(**metrics: float) -> Callable[[Evaluation], Evaluation]:
    return lambda evaluation: dataclasses.replace(evaluation, metrics=metrics)


@pytest.mark.parametrize("metrics", [{"balanced_accuracy": 0.7}, {"auroc": 0.7}])
def test_figures_that_the_predictions_do_not_have_are_caught(
    classification: Example, metrics: dict[str, float]
) -> None:
    check = classification.check("test_figures_are_what_the_predictions_have")
    check(model=classification.model, held_out=held_out(classification))
    model = Misjudging(classification.model, with_metrics(**metrics))
    fails(check, model=model, held_out=held_out(classification))


def test_figures_that_the_kit_cannot_compute_are_skipped_by_name(classification: Example) -> None:
    check = classification.check("test_figures_are_what_the_predictions_have")
    model = Misjudging(classification.model, with_metrics(kappa=0.7))
    with pytest.raises(pytest.skip.Exception, match="kappa"):
        check(model=model, held_out=held_out(classification))


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a / max(a.sum(), 1e-6),  # as if one of them must be there
        lambda a: np.maximum(a, 0.6),  # as if none could be absent
        lambda a: a * 2,
    ],
    ids=["softmax", "always", "out-of-range"],
)
def test_classes_that_are_taken_for_exclusive_are_caught(
    classification: Example, change: Callable[[FloatArray], Any], tmp_path: Path
) -> None:
    check = classification.check("test_several_classes_or_none_are_learnt")
    check(app=classification.app, axes=2, tmp_path=tmp_path / "good")
    app = Loading(classification.app, lambda model: Spoiled(model, changed(change)))
    fails(check, app=app, axes=2, tmp_path=tmp_path / "bad")


class OfEitherKind:
    """An app that loads weights whatever they were trained for."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def load(self, request: LoadRequest) -> Any:
        return self._model


class Curt:
    """An app that does not say why it refuses."""

    def load(self, request: LoadRequest) -> Any:
        raise UnsuitableInput("no")


def test_weights_that_pass_for_classes_of_the_other_kind_are_caught(
    classification: Example,
) -> None:
    check = classification.check("test_weights_do_not_pass_for_classes_of_the_other_kind")
    check(app=classification.app, weights=classification.weights, axes=2)
    check(app=OfEitherKind(classification.model), weights=classification.weights, axes=2)
    unsound = OfEitherKind(Spoiled(classification.model, changed(lambda a: a * 2)))
    fails(check, app=unsound, weights=classification.weights, axes=2)
    fails(check, app=Curt(), weights=classification.weights, axes=2)


@pytest.mark.parametrize("anonymous", [False, True], ids=["lenient", "anonymous"])
@pytest.mark.parametrize("wrong", [0.0, 0.5, float("nan")])
def test_a_label_that_is_no_choice_and_is_swallowed_is_caught(
    classification: Example, anonymous: bool, wrong: float, tmp_path: Path
) -> None:
    check = classification.check("test_a_label_that_is_no_choice_is_refused_by_name")
    check(app=classification.app, axes=2, wrong=wrong, tmp_path=tmp_path / "good")
    lenient = Lenient(classification.app, anonymous=anonymous)
    fails(check, app=lenient, axes=2, wrong=wrong, tmp_path=tmp_path / "bad")


class Blind:
    """A model that knows no class from another."""

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        return Prediction(answer=ClassScores(probabilities=np.array([0.5, 0.5], np.float32)))


def test_a_model_that_guesses_is_caught(classification: Example) -> None:
    fails(
        classification.check("test_training_learns_an_easy_phantom"),
        training=classification.training,
        model=Blind(),
        held_out=held_out(classification),
    )


class Misexplaining:
    """A model whose explanations are changed, and made also where they should be refused."""

    def __init__(self, model: Any, change: Explain) -> None:
        self._model = model
        self._change = change

    def explain(self, image: Image, value: int) -> Any:
        try:
            explanation = self._model.explain(image, value)
        except UnsuitableInput:
            explanation = np.zeros(image.shape, np.float32)
        return self._change(image, value, explanation)


def scribbled(image: Image, value: int, explanation: FloatArray) -> FloatArray:
    image.array.setflags(write=True)
    image.array[..., 0] = 1
    image.array.setflags(write=False)
    return explanation


EXPLAINED: dict[str, tuple[str, Explain]] = {
    "turned": ("test_explanation_lies_on_the_image_and_in_range", lambda i, v, e: e.T),
    "coarse": ("test_explanation_lies_on_the_image_and_in_range", lambda i, v, e: e[::4, ::4]),
    "percent": ("test_explanation_lies_on_the_image_and_in_range", lambda i, v, e: e * 100),
    "signed": ("test_explanation_lies_on_the_image_and_in_range", lambda i, v, e: e - 1),
    "double": (
        "test_explanation_lies_on_the_image_and_in_range",
        lambda i, v, e: e.astype(np.float64),
    ),
    "flat-nan": (
        "test_an_image_without_contrast_is_explained",
        lambda i, v, e: e / np.float32(i.array.std() > 0),
    ),
    "flickering": (
        "test_same_image_gives_the_same_explanation",
        lambda i, v, e: np.roll(e, next(CALLS), axis=0),
    ),
    "obliging": ("test_classes_that_the_schema_lacks_are_not_explained", lambda i, v, e: e),
    "undemanding": ("test_an_image_that_cannot_be_predicted_is_not_explained", lambda i, v, e: e),
    "scribbling": ("test_explaining_leaves_the_callers_arrays_alone", scribbled),
}


@pytest.mark.parametrize("fault", EXPLAINED)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_spoiled_explanation_is_caught(classification: Example, fault: str) -> None:
    name, change = EXPLAINED[fault]
    given: dict[str, Any] = {"axes": 2}
    if "in_range" in name:
        given |= {"geometry": "odd"}
    model = classification.model
    classification.check(name)(model=model, **given)
    fails(classification.check(name), model=Misexplaining(model, change), **given)


def test_an_explanation_that_is_promised_and_missing_is_caught(classification: Example) -> None:
    fails(
        classification.check("test_explanation_lies_on_the_image_and_in_range"),
        model=Blind(),
        axes=2,
        geometry="odd",
    )


def test_an_app_that_does_not_declare_to_explain_is_not_asked(instances: Example) -> None:
    assert not hasattr(instances.suite, "test_explanation_lies_on_the_image_and_in_range")


def test_a_class_that_is_rare_counts_as_much_as_a_frequent_one() -> None:
    scores = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32)
    truths = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], bool)
    assert balanced_accuracy(scores, truths, exclusive=True) == pytest.approx(0.75)


def test_classes_that_do_not_exclude_each_other_are_questions_of_their_own() -> None:
    scores = np.array([[0.9, 0.1], [0.6, 0.2], [0.2, 0.7], [0.1, 0.7]], np.float32)
    truths = np.array([[1, 1], [0, 1], [0, 1], [0, 1]], bool)  # the second is always there
    # The first is told in one of one, and its absence in two of three.
    assert balanced_accuracy(scores, truths, exclusive=False) == pytest.approx((1 + 2 / 3) / 2)


def test_the_area_under_a_curve_is_the_share_of_pairs_in_order() -> None:
    scores = np.array([[0.9], [0.4], [0.4], [0.1]], np.float32)
    truths = np.array([[True], [True], [False], [False]])
    # Of four pairs three are in order and one is equal; a class that all have is left out.
    assert mean_auroc(scores, truths) == pytest.approx(3.5 / 4)
    both = np.hstack([scores, scores]), np.hstack([truths, np.ones_like(truths)])
    assert mean_auroc(*both) == pytest.approx(3.5 / 4)


def test_textures_take_every_class_in_turn_or_every_combination() -> None:
    def labels(**given: Any) -> list[list[float]]:
        return [
            draw_texture((9, 8), seed, **given).label.probabilities.tolist() for seed in range(4)
        ]

    assert labels() == [[1, 0], [0, 1], [1, 0], [0, 1]]
    assert labels(present=0) == [[1, 0]] * 4
    assert labels(schema=SEVERAL) == [[0, 0], [1, 0], [0, 1], [1, 1]]
    assert labels(schema=SEVERAL, present=0) == [[0, 0]] * 4


def test_both_schemas_have_the_same_classes() -> None:
    assert SCHEMA.exclusive
    assert not SEVERAL.exclusive
    assert SCHEMA.classes == SEVERAL.classes
