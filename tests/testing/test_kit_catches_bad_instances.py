"""Every check of the kit fails for an app that finds objects otherwise than it must."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.testing.conftest import Example
from tests.testing.spoiling import Change, Lenient, Loading, Misjudging, Spoiled, fails

from limner.plugin import (
    Evaluation,
    Image,
    Instances,
    Prediction,
    PredictRequest,
    Trained,
    TrainRequest,
    Watch,
    no_instances,
    window,
)
from limner.testing import draw_objects
from limner.testing.instances.difficult import DIFFICULT
from limner.testing.instances.phantoms import SCHEMA, labelled
from limner.testing.instances.quality import panoptic_quality

CALLS = itertools.count()

GEOMETRY = "test_answer_comes_back_in_the_images_geometry"


def objects(prediction: Prediction) -> Instances:
    assert isinstance(prediction.answer, Instances)
    return prediction.answer


def masks(found: Instances) -> list[np.ndarray[Any, np.dtype[np.bool_]]]:
    known = [mask for mask in found.masks if mask is not None]
    assert len(known) == len(found.masks)
    return known


def changed(**changes: Callable[[Instances], Any]) -> Change:
    """Change fields of an answer, each by a function of the whole of it."""

    def change(_: Image, prediction: Prediction) -> Prediction:
        found = objects(prediction)
        new = {name: make(found) for name, make in changes.items()}
        return dataclasses.replace(prediction, answer=dataclasses.replace(found, **new))

    return change


def forgetful(_: Image, prediction: Prediction) -> Prediction:
    """Finds one object less each time."""
    found = objects(prediction)
    rows = np.arange(next(CALLS) % len(found.boxes), len(found.boxes))
    return dataclasses.replace(prediction, answer=chosen(found, rows))


def chosen(found: Instances, rows: Sequence[int] | np.ndarray[Any, Any]) -> Instances:
    return Instances(
        boxes=found.boxes[rows],
        masks=tuple(found.masks[row] for row in rows),
        classes=found.classes[rows],
        scores=found.scores[rows],
    )


def viewing(image: Image, prediction: Prediction) -> Prediction:
    """Answers one object that covers the image, with the image's own memory for a mask."""
    mask = image.array[0].view(np.bool_)
    found = Instances(
        boxes=np.array([[0, 0, *image.shape]], np.float32),
        masks=(mask,),
        classes=np.array([SCHEMA.values[1]], np.int64),
        scores=np.ones(1, np.float32),
    )
    return dataclasses.replace(prediction, answer=found)


SPOILED: dict[str, tuple[str, Change]] = {
    "boxes-outside": (GEOMETRY, changed(boxes=lambda a: a.boxes + np.float32(30))),
    "boxes-before": (GEOMETRY, changed(boxes=lambda a: a.boxes - np.float32(30))),
    "last-corner-inside": (
        GEOMETRY,
        changed(boxes=lambda a: a.boxes - np.array([0, 0, 1, 1], np.float32)),
    ),
    "corners-swapped": (GEOMETRY, changed(boxes=lambda a: a.boxes[:, [2, 3, 0, 1]])),
    "width-for-corner": (
        GEOMETRY,
        changed(boxes=lambda a: np.hstack([a.boxes[:, :2], a.boxes[:, 2:] - a.boxes[:, :2]])),
    ),
    "double": (GEOMETRY, changed(boxes=lambda a: a.boxes.astype(np.float64))),
    "endless": (GEOMETRY, changed(boxes=lambda a: a.boxes * np.float32(np.inf))),
    "flat-boxes": (GEOMETRY, changed(boxes=lambda a: a.boxes.ravel())),
    "mask-list": (GEOMETRY, changed(masks=lambda a: list(a.masks))),
    "mask-missing": (GEOMETRY, changed(masks=lambda a: a.masks[1:])),
    "mask-turned": (GEOMETRY, changed(masks=lambda a: tuple(each.T[:-1] for each in masks(a)))),
    "mask-bytes": (
        GEOMETRY,
        changed(masks=lambda a: tuple(each.astype(np.uint8) for each in masks(a))),
    ),
    "places-for-values": (GEOMETRY, changed(classes=lambda a: np.minimum(a.classes, 1))),
    "background": (GEOMETRY, changed(classes=lambda a: a.classes * 0)),
    "percent": (GEOMETRY, changed(scores=lambda a: a.scores * 100)),
    "nan": (GEOMETRY, changed(scores=lambda a: a.scores * np.float32(np.nan))),
    "score-missing": (GEOMETRY, changed(scores=lambda a: a.scores[1:])),
    "probabilities": (
        "test_probabilities_are_sound_when_asked_for",
        lambda i, p: dataclasses.replace(p, probabilities=np.zeros((3, *i.shape), np.float32)),
    ),
    "forgetful": ("test_same_seed_gives_the_same_answer", forgetful),
    "described-otherwise": ("test_describing_predicts_what_predicting_does", forgetful),
    "view": ("test_the_answer_is_no_view_of_the_image", viewing),
}


@pytest.mark.parametrize("fault", SPOILED)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_spoiled_answer_is_caught(instances: Example, fault: str) -> None:
    name, change = SPOILED[fault]
    given: dict[str, Any] = {"axes": 2}
    if name == "test_same_seed_gives_the_same_answer":
        given |= {"app": instances.app, "weights": instances.weights}
    if "geometry" in name or "asked_for" in name:
        given |= {"geometry": "odd"}
    model = instances.model
    instances.check(name)(model=model, **given)
    fails(instances.check(name), model=Spoiled(model, change), **given)


def test_objects_of_which_only_the_box_is_known_are_a_sound_answer(instances: Example) -> None:
    boxes = Spoiled(instances.model, changed(masks=lambda a: (None,) * len(a.masks)))
    instances.check(GEOMETRY)(model=boxes, axes=2, geometry="odd")


def flattering(evaluation: Evaluation) -> Evaluation:
    scores = {name: 0.9 * score for name, score in evaluation.case_scores.items()}
    return dataclasses.replace(evaluation, case_scores=scores)


def flattering_of_classes(evaluation: Evaluation) -> Evaluation:
    scores = {name: 0.9 * score for name, score in evaluation.class_scores.items()}
    return dataclasses.replace(evaluation, class_scores=scores)


def undefined(evaluation: Evaluation) -> Evaluation:
    return dataclasses.replace(
        evaluation, case_scores=dict.fromkeys(evaluation.case_scores, float("nan"))
    )


def by_another_name(evaluation: Evaluation) -> Evaluation:
    return dataclasses.replace(evaluation, measure="aji")


def held_out(example: Example) -> list[Any]:
    cases: list[Any] = example.suite.kit().cases(example.axes, 3, seed=9)
    return cases


@pytest.mark.parametrize("change", [flattering, flattering_of_classes])
def test_an_evaluation_that_flatters_is_caught(
    instances: Example, change: Callable[[Evaluation], Evaluation]
) -> None:
    check = instances.check("test_panoptic_quality_is_what_the_predictions_have")
    check(model=instances.model, held_out=held_out(instances))
    fails(check, model=Misjudging(instances.model, change), held_out=held_out(instances))


def test_a_measure_that_the_kit_cannot_compute_is_skipped_with_its_name(
    instances: Example,
) -> None:
    check = instances.check("test_panoptic_quality_is_what_the_predictions_have")
    with pytest.raises(pytest.skip.Exception, match="the measure 'aji'"):
        check(model=Misjudging(instances.model, by_another_name), held_out=held_out(instances))


def test_scores_that_are_undefined_are_caught(instances: Example) -> None:
    model = Misjudging(instances.model, undefined)
    fails(instances.check("test_labels_with_nothing_to_find_are_scored"), model=model, axes=2)
    fails(
        instances.check("test_difficult_objects_are_scored"),
        model=model,
        held_out=held_out(instances),
        difficulty="boxes-alone",
    )


class Crashing:
    """An app that trains with masks or sizes that need not be there."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def load(self, request: Any) -> Any:
        return self._app.load(request)

    def train(self, request: TrainRequest, watch: Watch) -> Trained:
        labels = [case.load_label() for case in request.train]
        sizes = []
        for label in labels:
            assert isinstance(label, Instances)
            sizes += [mask.sum() for mask in label.masks]  # type: ignore[union-attr]
        min(sizes)
        trained: Trained = self._app.train(request, watch)
        return trained


def test_training_that_needs_every_mask_is_caught(instances: Example, tmp_path: Path) -> None:
    check = instances.check("test_difficult_objects_can_be_trained_on")
    with pytest.raises(AttributeError, match="sum"):
        check(app=Crashing(instances.app), axes=2, difficulty="some-boxes-alone", tmp_path=tmp_path)


def test_training_that_needs_an_object_is_caught(instances: Example, tmp_path: Path) -> None:
    check = instances.check("test_images_with_no_object_alone_are_trained_on_or_refused")
    check(app=instances.app, axes=2, tmp_path=tmp_path / "good")
    with pytest.raises(ValueError, match="empty"):
        check(app=Crashing(instances.app), axes=2, tmp_path=tmp_path / "bad")


@pytest.mark.parametrize("difficulty", DIFFICULT)
def test_a_difficult_training_that_ends_in_nan_is_caught(
    instances: Example, difficulty: str, tmp_path: Path
) -> None:
    spoiled = changed(scores=lambda a: np.full_like(a.scores, np.nan))
    fails(
        instances.check("test_difficult_objects_can_be_trained_on"),
        app=Loading(instances.app, lambda model: Spoiled(model, always(spoiled))),
        axes=2,
        difficulty=difficulty,
        tmp_path=tmp_path,
    )


def always(change: Change) -> Change:
    """Change an answer, also where nothing was found."""

    def with_an_object(image: Image, prediction: Prediction) -> Prediction:
        found = labelled([np.ones(image.shape, np.bool_)], [SCHEMA.values[1]], len(image.shape))
        return change(image, dataclasses.replace(prediction, answer=found))

    return with_an_object


@pytest.mark.parametrize("anonymous", [False, True], ids=["lenient", "anonymous"])
def test_a_mask_beside_its_box_that_is_swallowed_is_caught(
    instances: Example, anonymous: bool, tmp_path: Path
) -> None:
    check = instances.check("test_a_mask_that_does_not_fit_its_box_is_refused_by_name")
    check(app=instances.app, axes=2, tmp_path=tmp_path / "good")
    lenient = Lenient(instances.app, anonymous=anonymous)
    fails(check, app=lenient, axes=2, tmp_path=tmp_path / "bad")


class Blind:
    """A model that finds nothing."""

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        return Prediction(answer=no_instances(len(image.shape)))


def test_a_model_that_finds_nothing_is_caught(instances: Example) -> None:
    fails(
        instances.check("test_training_learns_an_easy_phantom"),
        training=instances.training,
        model=Blind(),
        held_out=held_out(instances),
    )


def square(row: int, column: int, side: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    mask = np.zeros((20, 20), np.bool_)
    mask[row : row + side, column : column + side] = True
    return mask


def test_panoptic_quality_is_that_of_the_paper() -> None:
    # 8 × 8 moved by one row: 56 shared of 72. One more on each side that nothing matches.
    truth = labelled([square(0, 0, 8), square(12, 12, 4)], [3, 3], 2)
    answer = labelled([square(1, 0, 8), square(12, 0, 4)], [3, 3], 2)
    assert panoptic_quality(answer, truth, SCHEMA) == {"dim": pytest.approx(56 / 72 / 2)}


def test_an_object_found_twice_counts_once() -> None:
    truth = labelled([square(0, 0, 8)], [3], 2)
    answer = labelled([square(0, 0, 8), square(0, 0, 8)], [3, 3], 2)
    assert panoptic_quality(answer, truth, SCHEMA) == {"dim": pytest.approx(1 / 1.5)}


def test_an_object_of_another_class_is_not_found() -> None:
    truth, answer = (labelled([square(0, 0, 8)], [value], 2) for value in (3, 8))
    assert panoptic_quality(answer, truth, SCHEMA) == {"dim": 0.0, "bright": 0.0}


def test_objects_of_phantoms_touch_or_overlap_and_are_of_both_classes() -> None:
    label = draw_objects((64, 56), seed=0).label
    painted = np.zeros((64, 56), np.int64)
    for box, mask in zip(label.boxes, masks(label), strict=True):
        painted[window(box)] += mask
    assert painted.max() == 2
    assert set(label.classes.tolist()) == set(SCHEMA.values[1:])


@pytest.mark.parametrize("shape", [(1, 1), (4, 5), (3, 40), (1, 1, 1), (4, 9, 30)])
def test_the_smallest_phantom_still_has_an_object(shape: tuple[int, ...]) -> None:
    label = draw_objects(shape, seed=1).label
    assert all(mask is not None and mask.any() for mask in label.masks)
    assert len(label.boxes)
