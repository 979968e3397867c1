"""Checks that every task has fail for an app of any task that breaks what they check."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.testing.conftest import Example
from tests.testing.spoiling import Lenient, Loading, Misjudging, Unseeded, fails

from limner.plugin import Described, Evaluation, Image, Prediction, PredictRequest
from limner.testing.answers import arrays_of


@pytest.mark.parametrize("anonymous", [False, True], ids=["lenient", "anonymous"])
@pytest.mark.parametrize(
    "check",
    [
        "test_a_label_of_another_shape_is_refused_by_name",
        "test_a_label_that_the_schema_does_not_allow_is_refused_by_name",
        "test_cases_of_different_channels_are_refused_by_name",
    ],
)
def test_a_training_that_swallows_bad_cases_is_caught(
    example: Example, anonymous: bool, check: str, tmp_path: Path
) -> None:
    example.check(check)(app=example.app, axes=2, tmp_path=tmp_path / "good")
    lenient = Lenient(example.app, anonymous=anonymous)
    fails(example.check(check), app=lenient, axes=2, tmp_path=tmp_path / "bad")


def test_a_colour_image_that_is_refused_without_its_name_is_caught(
    example: Example, tmp_path: Path
) -> None:
    check = example.check("test_grey_and_colour_are_trained_on_together_or_refused_by_name")
    check(app=example.app, axes=2, tmp_path=tmp_path / "good")
    anonymous = Lenient(example.app, anonymous=True)
    fails(check, app=anonymous, axes=2, tmp_path=tmp_path / "bad")


def test_a_training_without_a_case_that_is_swallowed_is_caught(
    example: Example, tmp_path: Path
) -> None:
    check = example.check("test_training_without_a_case_is_refused")
    check(app=example.app, axes=2, tmp_path=tmp_path / "good")
    lenient = Lenient(example.app, anonymous=False)
    fails(check, app=lenient, axes=2, tmp_path=tmp_path / "bad")


def test_a_training_that_is_not_seeded_is_caught(example: Example, tmp_path: Path) -> None:
    check = example.check("test_same_seed_trains_the_same_model")
    given = {"training": example.training, "axes": 2}
    check(app=example.app, tmp_path=tmp_path / "good", **given)
    fails(check, app=Unseeded(example.app), tmp_path=tmp_path / "bad", **given)


class DividingByTheLogarithmOfOne:
    """A model whose entropy of a single class is NaN."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        prediction: Prediction = self._model.predict(image, request)
        return prediction

    def describe(self, image: Image, request: PredictRequest) -> Described:
        described: Described = self._model.describe(image, request)
        classes = len(described.description.class_scores)
        entropy = described.description.scores["entropy"] if classes > 1 else float("nan")
        description = dataclasses.replace(described.description, scores={"entropy": entropy})
        return dataclasses.replace(described, description=description)


def test_a_description_that_needs_two_classes_is_caught(example: Example, tmp_path: Path) -> None:
    check = example.check("test_a_project_of_one_class_can_be_trained_on")
    check(app=example.app, axes=2, tmp_path=tmp_path / "good")
    app = Loading(example.app, DividingByTheLogarithmOfOne)
    fails(check, app=app, axes=2, tmp_path=tmp_path / "bad")


class OfOtherWeights:
    """A model that does not answer what its weights do."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        darker = dataclasses.replace(image, array=np.roll(image.array, 9, axis=1) // 2)
        prediction: Prediction = self._model.predict(darker, request)
        return prediction


def test_weights_that_need_this_process_are_caught(example: Example, tmp_path: Path) -> None:
    check = example.check("test_weights_load_in_a_fresh_process")
    given = {"app": example.app, "weights": example.weights, "axes": 2, "tmp_path": tmp_path}
    check(model=example.model, **given)
    fails(check, model=OfOtherWeights(example.model), **given)


def out_of_range(evaluation: Evaluation) -> Evaluation:
    return dataclasses.replace(evaluation, chance=50.0)


def of_strangers(evaluation: Evaluation) -> Evaluation:
    return dataclasses.replace(evaluation, class_tolerances={"nobody": 0.1})


@pytest.mark.parametrize("change", [out_of_range, of_strangers])
def test_an_evaluation_that_is_out_of_range_is_caught(example: Example, change: Any) -> None:
    check = example.check("test_every_case_is_scored_in_range")
    cases = example.suite.kit().cases(2, 3, seed=9)
    check(model=example.model, held_out=cases)
    fails(check, model=Misjudging(example.model, change), held_out=cases)


def test_a_label_of_another_shape_that_is_scored_is_caught(example: Example) -> None:
    class Undemanding:
        def evaluate(self, cases: Any, watch: Any) -> Evaluation:
            return Evaluation(measure="dice", case_scores={}, class_scores={})

    check = example.check("test_a_label_of_another_shape_is_refused")
    check(model=example.model, axes=2)
    fails(check, model=Undemanding(), axes=2)


def test_the_kits_phantoms_are_the_same_for_the_same_seed(example: Example) -> None:
    def arrays() -> list[Any]:
        cases = example.suite.kit().cases(2, 4, seed=4)
        labels = [array for case in cases for array in arrays_of(case.load_label()).values()]
        return [*(case.load_image().array for case in cases), *labels]

    for one, two in zip(arrays(), arrays(), strict=True):
        assert np.array_equal(one, two)


def test_the_kits_phantoms_are_read_only(example: Example) -> None:
    (case,) = example.suite.kit().cases(2, 1, seed=4)
    image, label = case.load_image(), case.load_label()
    arrays = {"image": image.array, **arrays_of(label)}
    # Those without an axis are numbers, such as a spacing's, which `arrays_of` makes arrays of.
    assert not [name for name, each in arrays.items() if each.ndim and each.flags.writeable]


def test_only_checks_of_the_apps_own_task_are_there(make_example: Any) -> None:
    own = {
        "segmentation": "test_dice_is_what_the_predictions_have",
        "instances": "test_panoptic_quality_is_what_the_predictions_have",
        "classification": "test_several_classes_or_none_are_learnt",
    }
    for task in own:
        suite = make_example(task, 2).suite
        assert [name for name, check in own.items() if hasattr(suite, check)] == [task]
