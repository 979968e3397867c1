from __future__ import annotations

import dataclasses
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from limner.engine.answers import (
    checked_answer,
    checked_described,
    checked_map,
    checked_prediction,
)
from limner.engine.numbers import Broken
from limner.plugin import (
    ClassScores,
    Described,
    Description,
    Image,
    Instances,
    LabelClass,
    LabelSchema,
    Mask,
    Prediction,
    PredictRequest,
    Task,
)

SCHEMA = LabelSchema.of("a", "b")
GAPPED = LabelSchema(classes=(LabelClass(name="a", value=3), LabelClass(name="b", value=300)))
AFFINE = np.diag([1.0, 2.0, 3.0, 1.0])
IMAGE = Image(array=np.zeros((1, 4, 5, 6)), spacing=(1.0, 2.0, 3.0), affine=AFFINE)
WANTED = PredictRequest(probabilities=True)
MASK = Mask(array=np.ones((4, 5, 6), np.uint8), spacing=IMAGE.spacing, affine=AFFINE)
PROBABILITIES = np.full((3, 4, 5, 6), 1 / 3, np.float32)
SHIFT = np.array([1, -1, 0], np.float32).reshape(3, 1, 1, 1)
DESCRIPTION = Description(
    scores={"entropy": 0.5},
    class_scores=np.array([0.1, 0.9], np.float32),
    class_fractions=np.array([0.5, 0.25, 0.25], np.float32),
    embedding=np.arange(4, dtype=np.float32),
)
INSTANCES = Instances(
    boxes=np.array([[0, 0, 0, 2, 2, 2], [0.5, 1, 2, 4, 5, 6]], np.float32),
    masks=(np.ones((2, 2, 2), np.bool_), None),
    classes=np.array([1, 2]),
    scores=np.array([0.1, 1.0], np.float32),
)


def mask(array: np.ndarray, **changes: object) -> Mask:
    return dataclasses.replace(MASK, array=array, **changes)  # type: ignore[arg-type]


def predicted(answer: object, probabilities: object = None) -> Prediction:
    return Prediction(answer=answer, probabilities=probabilities)  # type: ignore[arg-type]


def check(prediction: object) -> Prediction:
    return checked_prediction(prediction, IMAGE, SCHEMA, Task.SEGMENTATION, WANTED)


def described(**changes: object) -> Described:
    description = dataclasses.replace(DESCRIPTION, **changes)  # type: ignore[arg-type]
    return Described(prediction=Prediction(answer=MASK), description=description)


def one(array: np.ndarray, value: float) -> np.ndarray:
    changed = array.copy()
    changed.flat[-1] = value
    return changed


def test_a_sound_prediction_passes_with_its_images_own_geometry() -> None:
    checked = check(predicted(MASK, PROBABILITIES))
    assert isinstance(checked.answer, Mask)
    assert checked.answer.affine is AFFINE
    assert np.array_equal(checked.answer.array, MASK.array)
    assert checked.probabilities is not None
    assert checked.probabilities.dtype == np.float32


def test_probabilities_that_nobody_asked_for_are_dropped() -> None:
    given = predicted(MASK, PROBABILITIES)
    checked = checked_prediction(given, IMAGE, SCHEMA, Task.SEGMENTATION, PredictRequest())
    assert checked.probabilities is None


def test_arrays_with_gaps_become_whole_so_that_they_can_be_shared() -> None:
    wide = np.zeros((4, 5, 12), np.uint8)
    checked = check(predicted(mask(wide[..., ::2])))
    assert isinstance(checked.answer, Mask)
    assert checked.answer.array.flags.c_contiguous


@pytest.mark.parametrize(
    ("prediction", "words"),
    [
        (None, "is a NoneType, not a Prediction"),
        (predicted(None), "segmentation asks for Mask"),
        (predicted(ClassScores(probabilities=np.ones(2, np.float32))), "asks for Mask"),
        (
            predicted(mask(np.ones((4, 5, 5), np.uint8))),
            r"shape \(4, 5, 5\), its image \(4, 5, 6\)",
        ),
        (predicted(mask(np.ones((4, 5, 6)))), "dtype float64"),
        (predicted(mask(np.full((4, 5, 6), 3, np.uint8))), "holds the value 3"),
        (predicted(mask([[1]])), "must be a numpy array, not a list"),  # type: ignore[arg-type]
        (predicted(mask(MASK.array, affine=None)), "affine is not its image's"),
        (predicted(mask(MASK.array, affine=np.eye(4))), "affine is not its image's"),
        (predicted(MASK, PROBABILITIES[:2]), r"they must be float32 of \(3, 4, 5, 6\)"),
        (predicted(MASK, PROBABILITIES.astype(np.int64)), "probabilities are int64"),
        (predicted(MASK, one(PROBABILITIES, np.nan)), "hold NaN or infinity"),
        (predicted(MASK, one(PROBABILITIES, 0.5)), "sum to one"),
        (predicted(MASK, PROBABILITIES + SHIFT), "at least 0"),
    ],
)
def test_a_broken_prediction_is_refused(prediction: object, words: str) -> None:
    with pytest.raises(Broken, match=words):
        check(prediction)


@pytest.mark.parametrize("order", ["C", "F"])
def test_values_between_those_of_a_schema_with_gaps_are_found(order: str) -> None:
    array = np.zeros((4, 5, 6), np.uint16, order=order)  # type: ignore[call-overload]
    array[1, 1, 1] = 300
    array[3, 4, 5] = 3
    checked_answer(mask(array), IMAGE, GAPPED, Task.SEGMENTATION)
    array[3, 4, 4] = 299
    with pytest.raises(Broken, match="holds the value 299"):
        checked_answer(mask(array), IMAGE, GAPPED, Task.SEGMENTATION)


def test_a_narrow_mask_may_follow_a_schema_with_wide_values() -> None:
    answer = mask(np.full((4, 5, 6), 3, np.uint8))
    checked_answer(answer, IMAGE, GAPPED, Task.SEGMENTATION)


def test_checking_a_large_answer_takes_little_memory_beside_it() -> None:
    shape = (256, 256, 128)
    image = Image(array=np.zeros((1, *shape), np.uint8), spacing=(1.0, 1.0, 1.0))
    large = Mask(array=np.zeros(shape, np.uint16), spacing=image.spacing)
    probabilities = np.full((3, *shape), 1 / 3, np.float32)
    tracemalloc.start()
    checked_prediction(predicted(large, probabilities), image, GAPPED, Task.SEGMENTATION, WANTED)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 * 2**20


def test_a_sound_description_passes() -> None:
    checked = checked_described(described(), IMAGE, SCHEMA, Task.SEGMENTATION, PredictRequest())
    assert checked.description.scores == {"entropy": 0.5}
    assert checked.description.embedding is not None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scores": {"entropy": float("nan")}}, "score entropy is nan"),
        ({"scores": {"entropy": "high"}}, "score entropy is a str"),
        ({"class_scores": np.ones(3, np.float32)}, r"class_scores has shape \(3,\)"),
        ({"class_scores": np.array([0, 1.5], np.float32)}, r"class_scores must lie in \[0, 1\]"),
        ({"class_scores": [0.1, 0.2]}, "class_scores must be a numpy array"),
        ({"class_fractions": np.ones(3, np.float32)}, "class_fractions must be at least 0"),
        ({"class_fractions": np.ones(2, np.float32) / 2}, r"class_fractions has shape \(2,\)"),
        ({"embedding": np.array([np.inf], np.float32)}, "embedding holds NaN"),
        ({"embedding": np.ones((2, 2), np.float32)}, r"it must be \(any\)"),
    ],
)
def test_a_broken_description_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(Broken, match=words):
        checked_described(described(**changes), IMAGE, SCHEMA, Task.SEGMENTATION, PredictRequest())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"masks": np.zeros((2, 4, 5, 6), np.bool_)}, "must be a tuple of 2"),
        ({"masks": (None,)}, "must be a tuple of 2"),
        ({"masks": (np.ones((2, 2, 2)), None)}, "mask is float64"),
        ({"masks": (None, np.ones((2, 4, 4), np.bool_))}, r"bool of \(4, 4, 4\)"),
        ({"boxes": np.zeros((2, 4), np.float32)}, "boxes has shape"),
        ({"boxes": np.zeros((2, 6), np.float32)}, "not be empty"),
        ({"boxes": -INSTANCES.boxes}, "inside the image"),
        ({"boxes": 2 * INSTANCES.boxes}, "inside the image"),
        ({"classes": np.array([1, 5])}, r"must be 2 of \[1, 2\]"),
        ({"classes": np.array([1])}, r"must be 2 of \[1, 2\]"),
        ({"scores": np.array([0.1, 2.0], np.float32)}, r"scores must lie in \[0, 1\]"),
    ],
)
def test_broken_instances_are_refused(changes: dict[str, object], words: str) -> None:
    checked_answer(INSTANCES, IMAGE, SCHEMA, Task.INSTANCES)
    broken = dataclasses.replace(INSTANCES, **changes)  # type: ignore[arg-type]
    with pytest.raises(Broken, match=words):
        checked_answer(broken, IMAGE, SCHEMA, Task.INSTANCES)


@pytest.mark.parametrize(
    "bad",
    [np.array([0.5]), np.array([0.5, 1.5]), np.array([0.5, np.nan]), np.array([0.5, 0.6])],
)
def test_broken_class_scores_are_refused(bad: np.ndarray) -> None:
    good = ClassScores(probabilities=np.array([0.3, 0.7], np.float32))
    checked_answer(good, IMAGE, SCHEMA, Task.CLASSIFICATION)
    with pytest.raises(Broken):
        checked_answer(ClassScores(probabilities=bad), IMAGE, SCHEMA, Task.CLASSIFICATION)


def test_class_scores_need_not_sum_to_one_where_an_image_may_have_several_classes() -> None:
    several = dataclasses.replace(SCHEMA, exclusive=False)
    scores = ClassScores(probabilities=np.array([0.9, 0.8], np.float32))
    checked_answer(scores, IMAGE, several, Task.CLASSIFICATION)


def test_every_task_has_an_answer() -> None:
    right: dict[Task, Callable[[], object]] = {
        Task.SEGMENTATION: lambda: MASK,
        Task.INSTANCES: lambda: INSTANCES,
        Task.CLASSIFICATION: lambda: ClassScores(probabilities=np.full(2, 0.5, np.float32)),
    }
    for task in Task:
        checked_answer(right[task](), IMAGE, SCHEMA, task)


def test_a_map_of_what_speaks_for_a_class_has_the_images_shape_and_lies_between_0_and_1() -> None:
    shown = checked_map(np.full((4, 5, 6), 0.5), IMAGE)
    assert shown.dtype == np.float32
    for bad in (np.zeros((4, 5)), np.full((4, 5, 6), 1.5), np.full((4, 5, 6), np.nan), None):
        with pytest.raises(Broken, match="the map"):
            checked_map(bad, IMAGE)
