"""Checks that wrong input is refused in words."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from limner.plugin import (
    App,
    Image,
    LabelClass,
    LabelSchema,
    PredictRequest,
    Predicts,
    UnsuitableInput,
)
from limner.testing.drawing import frozen
from limner.testing.fixtures import AppFixtures


def widened(schema: LabelSchema) -> LabelSchema:
    """Return a schema with one class more."""
    beyond = LabelClass(name="beyond", value=schema.values[-1] + 1)
    return dataclasses.replace(schema, classes=(*schema.classes, beyond))


def assert_clear(error: UnsuitableInput, named: str = "") -> None:
    """Check that a refusal says something, and names the case that it is about."""
    assert len(str(error).split()) >= 4, f"the refusal {str(error)!r} says too little"
    assert named in str(error), f"the refusal does not name the case {named!r}: {error}"


class InputChecks(AppFixtures):
    """What every loaded model must refuse: by `UnsuitableInput`, with words."""

    def test_another_number_of_channels_is_refused(self, model: Predicts, axes: int) -> None:
        """The model was trained on one channel; two are neither grey nor colour."""
        image = self.kit().draw((24, 20, 16)[:axes], seed=5, channels=2).image
        self._image_refused(model, image)

    def test_colour_is_refused_or_answered_in_full(self, model: Predicts, axes: int) -> None:
        """A model trained on grey images may take colour as well."""
        self._refused_or_answered(
            model, self.kit().draw((24, 20, 16)[:axes], seed=5, channels=3).image
        )

    @pytest.mark.parametrize("shape", [(9,), (5, 6, 7, 8)], ids=["1d", "4d"])
    def test_an_impossible_number_of_axes_is_refused(
        self, model: Predicts, shape: tuple[int, ...]
    ) -> None:
        """No app takes one spatial axis, or four."""
        array = frozen(np.zeros((1, *shape), np.uint8))
        self._image_refused(model, Image(array=array, spacing=(1.0,) * len(shape)))

    def test_axes_the_model_does_not_take_are_refused_or_answered_in_full(
        self, model: Predicts, axes: int
    ) -> None:
        """A model trained on volumes may take pictures; it never answers in another shape."""
        self._refused_or_answered(model, self.kit().draw((24, 20, 16)[: 5 - axes], seed=6).image)

    def test_an_empty_image_is_refused(self, model: Predicts, axes: int) -> None:
        """An axis of length zero holds nothing to label."""
        shape = (24, 20, 16)[:axes]
        image = self.kit().draw(shape, seed=5).image
        empty = np.zeros((1, *shape[:-1], 0), image.array.dtype)
        self._image_refused(model, dataclasses.replace(image, array=frozen(empty)))

    def test_a_schema_that_the_weights_do_not_fit_is_refused(
        self, app: App, model: Predicts, weights: Path
    ) -> None:
        """Else a class would silently take another's value."""
        with pytest.raises(UnsuitableInput) as refusal:
            app.load(self.load_request(weights, widened(self.kit().schema)))
        assert_clear(refusal.value)

    def _refused_or_answered(self, model: Predicts, image: Image) -> None:
        try:
            answer = model.predict(image, PredictRequest()).answer
        except UnsuitableInput as refusal:
            assert_clear(refusal)
        else:
            self.kit().assert_sound(answer, image, self.kit().schema)

    def _image_refused(self, model: Predicts, image: Image) -> None:
        with pytest.raises(UnsuitableInput) as refusal:
            model.predict(image, PredictRequest())
        assert_clear(refusal.value)
