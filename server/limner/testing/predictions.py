"""Checks of `predict`: geometry, values, probabilities, repeatability, the caller's arrays."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limner.plugin import App, Image, PredictRequest, Predicts
from limner.testing.answers import arrays_of, assert_models_agree, assert_same_answer
from limner.testing.drawing import frozen, oblique_affine
from limner.testing.fixtures import AppFixtures
from limner.testing.task_kit import TaskKit

PROPERTY = settings(
    max_examples=8,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.differing_executors,
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],
)
"""A few seeded examples: each is a prediction of a real model."""

GEOMETRIES = ("odd", "anisotropic", "oblique", "narrow")
STORED = ("uint8", "int16", "uint16", "int32", "float32", "float64", ">i2")


def image_of(kit: TaskKit, geometry: str, axes: int) -> Image:
    """Draw an image of a geometry that is easily got wrong."""
    shape = {"odd": (37, 31, 19), "narrow": (40, 7, 5)}.get(geometry, (*kit.shapes[axes], 0))[:axes]
    spacing = (0.5, 0.75, 4.0)[:axes] if geometry in ("anisotropic", "oblique") else None
    affine = oblique_affine((0.5, 0.75, 4.0)) if geometry == "oblique" and axes == 3 else None
    return kit.draw(shape, seed=3, spacing=spacing, affine=affine).image


class PredictionChecks(AppFixtures):
    """What every loaded model must do."""

    @pytest.mark.parametrize("geometry", GEOMETRIES)
    def test_answer_comes_back_in_the_images_geometry(
        self, model: Predicts, axes: int, geometry: str
    ) -> None:
        """A mask has the image's own shape, spacing and affine; boxes lie inside the image."""
        self._predicted(model, image_of(self.kit(), geometry, axes))

    @PROPERTY
    @given(data=st.data())
    def test_images_of_any_size_are_predicted(
        self, model: Predicts, axes: int, data: st.DataObject
    ) -> None:
        """No size from a few pixels up is refused or answered in another shape."""
        shape = tuple(data.draw(st.integers(4, 45)) for _ in range(axes))
        self._predicted(model, self.kit().draw(shape, seed=4).image)

    @pytest.mark.parametrize("geometry", GEOMETRIES)
    def test_probabilities_are_sound_when_asked_for(
        self, model: Predicts, axes: int, geometry: str
    ) -> None:
        """Of a mask: background first, one entry a class, on the image's own grid, summing to one.

        Other answers have no such map.
        """
        self._predicted(model, image_of(self.kit(), geometry, axes), probabilities=True)

    def test_probabilities_are_left_out_when_nobody_asks(self, model: Predicts, axes: int) -> None:
        """They cost memory."""
        image = image_of(self.kit(), "odd", axes)
        assert model.predict(image, PredictRequest()).probabilities is None

    @pytest.mark.parametrize("kind", STORED)
    def test_every_stored_number_type_is_predicted(
        self, model: Predicts, axes: int, kind: str
    ) -> None:
        """Files hold integers and floats of many widths, in either byte order."""
        image = image_of(self.kit(), "odd", axes)
        image = dataclasses.replace(image, array=frozen(image.array.astype(kind)))
        self._predicted(model, image)

    def test_memory_layout_does_not_matter(self, model: Predicts, axes: int) -> None:
        """Readers give Fortran order and views with negative strides."""
        image = image_of(self.kit(), "odd", axes)
        plain = model.predict(image, PredictRequest()).answer
        for array in (np.asfortranarray(image.array), image.array[..., ::-1].copy()[..., ::-1]):
            other = dataclasses.replace(image, array=frozen(array))
            assert_same_answer(model.predict(other, PredictRequest()).answer, plain)

    @pytest.mark.parametrize("level", [0, 100])
    def test_an_image_without_contrast_is_predicted(
        self, model: Predicts, axes: int, level: int
    ) -> None:
        """Scaling by a deviation of zero must not make NaN."""
        image = image_of(self.kit(), "odd", axes)
        image = dataclasses.replace(image, array=frozen(np.full_like(image.array, level)))
        self._predicted(model, image, probabilities=True)

    def test_same_seed_gives_the_same_answer(
        self, app: App, model: Predicts, weights: Path, axes: int
    ) -> None:
        """Asked again, asked after another image, and asked of a model loaded anew."""
        image, other = (image_of(self.kit(), each, axes) for each in ("odd", "anisotropic"))
        first = model.predict(image, PredictRequest(seed=5)).answer
        model.predict(other, PredictRequest(seed=6))
        for again in (model, app.load(self.load_request(weights))):
            assert_same_answer(first, again.predict(image, PredictRequest(seed=5)).answer)
            assert_models_agree(model, again, image, seed=5)

    def test_the_callers_arrays_stay_as_they_were(self, model: Predicts, axes: int) -> None:
        """Images are shared between requests."""
        image = image_of(self.kit(), "oblique", axes)
        before = copied(image)
        model.predict(image, PredictRequest(probabilities=True))
        assert_same_image(image, before)

    def test_the_answer_is_no_view_of_the_image(self, model: Predicts, axes: int) -> None:
        """An image may lie in shared memory that is gone when the answer is read."""
        image = image_of(self.kit(), "odd", axes)
        answer = model.predict(image, PredictRequest()).answer
        for name, array in arrays_of(answer).items():
            assert not np.shares_memory(array, image.array), f"{name} is a view of the image"

    def _predicted(self, model: Predicts, image: Image, *, probabilities: bool = False) -> None:
        """Check what is answered for an image."""
        kit = self.kit()
        prediction = model.predict(image, PredictRequest(probabilities=probabilities))
        kit.assert_sound(prediction.answer, image, kit.schema)
        if probabilities:
            kit.assert_probabilities_sound(prediction, image, kit.schema, self.agreement)


def copied(image: Image) -> Image:
    """Copy an image with its arrays."""
    affine = None if image.affine is None else image.affine.copy()
    return dataclasses.replace(image, array=image.array.copy(), affine=affine)


def assert_same_image(image: Image, before: Image) -> None:
    """Check that nothing wrote to an image since it was copied."""
    assert np.array_equal(image.array, before.array), "the image's array was changed"
    assert np.array_equal(
        np.asarray(image.affine, dtype=object), np.asarray(before.affine, dtype=object)
    ), "the image's affine was changed"
