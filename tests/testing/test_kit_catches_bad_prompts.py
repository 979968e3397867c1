"""Every check of the kit fails for an app that takes prompts otherwise than it must."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from tests.testing.conftest import Example
from tests.testing.spoiling import fails

from limner.plugin import (
    AppManifest,
    Image,
    Mask,
    Prediction,
    PredictRequest,
    Prompt,
    PromptKind,
    UnsuitableInput,
)
from limner.testing import AppConformance
from limner.testing.drawing import frozen
from limner.testing.sayings import MISFITS, SAYINGS, prompt_of

CALLS = itertools.count()

GEOMETRY = "test_prompted_answer_comes_back_in_the_images_geometry"
ALONE = "test_each_declared_kind_of_prompt_is_taken_alone"
REFUSED = "test_a_prompt_that_does_not_lie_on_the_image_is_refused"

Change = Callable[[Image, Sequence[Prompt], Prediction], Any]


class Misled:
    """A model whose answers to prompts are changed, and made also where they should be refused."""

    def __init__(self, model: Any, change: Change) -> None:
        self._model = model
        self._change = change

    def predict(self, image: Image, request: PredictRequest) -> Any:
        return self._model.predict(image, request)

    def prompt(self, image: Image, prompts: Sequence[Prompt], request: PredictRequest) -> Any:
        try:
            prediction = self._model.prompt(image, prompts, request)
        except UnsuitableInput:
            array = np.zeros(image.shape, np.uint8)
            prediction = Prediction(
                answer=Mask(array=array, spacing=image.spacing, affine=image.affine)
            )
        return self._change(image, prompts, prediction)


def changed(change: Callable[[np.ndarray[Any, Any]], Any]) -> Change:
    """Change the mask of an answer."""

    def changing(_: Image, __: Sequence[Prompt], prediction: Prediction) -> Prediction:
        assert isinstance(prediction.answer, Mask)
        answer = dataclasses.replace(prediction.answer, array=change(prediction.answer.array))
        return dataclasses.replace(prediction, answer=answer)

    return changing


def as_it_is(image: Image, prompts: Sequence[Prompt], prediction: Prediction) -> Prediction:
    return prediction


def crashing_without_prompts(
    image: Image, prompts: Sequence[Prompt], prediction: Prediction
) -> Prediction:
    assert prompts
    return prediction


def crashing_where_the_image_is_flat(
    image: Image, prompts: Sequence[Prompt], prediction: Prediction
) -> Prediction:
    assert image.array.std() > 0
    return prediction


def forgetting(image: Image, prompts: Sequence[Prompt], prediction: Prediction) -> None:
    return None


def scribbling(image: Image, prompts: Sequence[Prompt], prediction: Prediction) -> Prediction:
    for array in (prompts[0].points, image.array):
        array.setflags(write=True)
        array[0] = 0
        array.setflags(write=False)
    return prediction


SPOILED: dict[str, tuple[str, Change]] = {
    "turned": (GEOMETRY, changed(lambda a: a.T)),
    "coarse": (GEOMETRY, changed(lambda a: a[::2, ::2])),
    "another-class": (GEOMETRY, changed(lambda a: a + np.uint8(1))),
    "wide": (GEOMETRY, changed(lambda a: a.astype(np.int64))),
    "no-answer": (GEOMETRY, forgetting),
    "doubtful": (
        GEOMETRY,
        lambda i, _, p: dataclasses.replace(p, probabilities=np.ones((3, *i.shape), np.float32)),
    ),
    "restless": (
        "test_same_prompts_give_the_same_answer",
        changed(lambda a: np.roll(a, next(CALLS), axis=0)),
    ),
    "demanding": ("test_saying_nothing_gives_a_plain_prediction", crashing_without_prompts),
    "of-two-minds": (
        "test_saying_nothing_gives_a_plain_prediction",
        changed(lambda a: np.roll(a, 5, axis=0)),
    ),
    "dividing": (
        "test_an_image_without_contrast_can_be_prompted",
        crashing_where_the_image_is_flat,
    ),
    "obliging": ("test_classes_that_the_schema_lacks_cannot_be_prompted", as_it_is),
    "undemanding": ("test_an_image_that_cannot_be_predicted_cannot_be_prompted", as_it_is),
    "scribbling": ("test_prompting_leaves_the_callers_arrays_alone", scribbling),
}


@pytest.mark.parametrize("fault", SPOILED)
def test_a_spoiled_answer_to_prompts_is_caught(prompting: Example, fault: str) -> None:
    name, change = SPOILED[fault]
    given: dict[str, Any] = {"axes": 2}
    if name == GEOMETRY:
        given |= {"geometry": "odd"}
    model = prompting.model
    prompting.check(name)(model=model, **given)
    fails(prompting.check(name), model=Misled(model, change), **given)


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_prompt_beside_the_image_that_is_swallowed_is_caught(
    prompting: Example, misfit: str
) -> None:
    model = prompting.model
    prompting.check(REFUSED)(model=model, axes=2, misfit=misfit)
    fails(prompting.check(REFUSED), model=Misled(model, as_it_is), axes=2, misfit=misfit)


def showing_a_scribble(image: Image, prompts: Sequence[Prompt], prediction: Prediction) -> Any:
    scribble = prompts[0].scribble
    assert scribble is not None
    row = np.broadcast_to(scribble[-1:], image.shape)  # it is 2 all over, which is a class
    return changed(lambda _: row)(image, prompts, prediction)


def test_an_answer_that_is_a_view_of_a_scribble_is_caught(prompting: Example) -> None:
    check = prompting.check("test_prompting_leaves_the_callers_arrays_alone")
    copying = Misled(prompting.model, changed(lambda a: a.copy()))
    check(model=copying, axes=2)
    fails(check, model=Misled(prompting.model, showing_a_scribble), axes=2)


@pytest.mark.parametrize("saying", SAYINGS)
def test_a_kind_of_prompt_that_is_declared_and_not_taken_is_caught(
    prompting: Example, saying: str
) -> None:
    class Picky:
        """Crashes where it needs what is not said."""

        def __init__(self, model: Any) -> None:
            self._model = model

        def prompt(self, image: Image, prompts: Sequence[Prompt], request: PredictRequest) -> Any:
            (said,) = prompts
            given = {
                "a-point-of-the-class": said.positive.any(),
                "a-point-not-of-the-class": len(said.positive) and not said.positive.any(),
                "points-of-both-kinds": len(said.points) > 1,
                "boxes": len(said.boxes) > 0,
                "a-scribble": said.scribble is not None,
            }
            assert not given[saying]
            return self._model.prompt(image, prompts, request)

    model = prompting.model
    prompting.check(ALONE)(model=model, axes=2, saying=saying)
    fails(prompting.check(ALONE), model=Picky(model), axes=2, saying=saying)


def test_prompts_that_are_promised_and_cannot_be_given_are_caught(prompting: Example) -> None:
    class Deaf:
        def predict(self, image: Image, request: PredictRequest) -> None: ...

    fails(prompting.check(GEOMETRY), model=Deaf(), axes=2, geometry="odd")


def test_an_app_that_does_not_declare_to_take_prompts_is_not_asked(segmentation: Example) -> None:
    assert not hasattr(segmentation.suite, GEOMETRY)


def test_kinds_that_an_app_does_not_declare_are_left_out(prompting: Example) -> None:
    few: AppManifest = dataclasses.replace(
        prompting.suite.manifest, prompts=frozenset({PromptKind.BOXES})
    )

    class Few(AppConformance):
        manifest = few

    suite: Any = Few()
    for saying, kind in SAYINGS.items():
        if kind is not PromptKind.BOXES:
            with pytest.raises(pytest.skip.Exception, match=f"does not take {kind}"):
                getattr(suite, ALONE)(model=prompting.model, axes=2, saying=saying)
    for misfit, (kind, _) in MISFITS.items():
        if kind is not PromptKind.BOXES:
            with pytest.raises(pytest.skip.Exception, match=f"does not take {kind}"):
                getattr(suite, REFUSED)(model=prompting.model, axes=2, misfit=misfit)

    class BoxesAlone:
        def prompt(self, image: Image, prompts: Sequence[Prompt], request: PredictRequest) -> Any:
            for each in prompts:
                assert not len(each.points)
                assert each.scribble is None
            return prompting.model.prompt(image, prompts, request)

    getattr(suite, GEOMETRY)(model=BoxesAlone(), axes=2, geometry="odd")


@pytest.mark.parametrize("shape", [(37, 31), (40, 7), (24, 28, 20), (4, 5, 6)])
def test_what_is_said_of_a_phantom_lies_on_it(shape: tuple[int, ...]) -> None:
    image = Image(array=frozen(np.zeros((1, *shape))), spacing=(1.0,) * len(shape))
    for place in (0.2, 1 / 3, 0.5, 2 / 3):
        said = prompt_of(image, SAYINGS, 7, place)
        axes = len(shape)
        assert said.points.shape == (4, axes)
        assert said.positive.tolist() == [True, False, True, False]
        assert ((said.points >= 0) & (said.points < shape)).all()
        assert (said.boxes[:, :axes] >= 0).all()
        assert (said.boxes[:, :axes] < said.boxes[:, axes:]).all()
        assert (said.boxes[:, axes:] <= shape).all()
        assert said.scribble is not None
        assert said.scribble.shape == shape
        assert set(np.unique(said.scribble)) == {0, 1, 2}
        assert said.points.dtype == said.boxes.dtype == np.float32
    nothing = prompt_of(image, [], 7)
    assert nothing.points.shape == (0, axes)
    assert nothing.boxes.shape == (0, 2 * axes)
    assert nothing.scribble is None
