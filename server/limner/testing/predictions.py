"""Checks of `predict`: geometry, values, probabilities, repeatability, the caller's arrays."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limner.plugin import App, Image, PredictRequest, Predicts
from limner.testing.answers import (
    assert_mask_sound,
    assert_probabilities_sound,
    mask_of,
    probabilities_of,
)
from limner.testing.fixtures import AppFixtures
from limner.testing.phantoms import SCHEMA, SHAPES, draw_phantom, oblique_affine

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


def image_of(geometry: str, axes: int) -> Image:
    """Draw an image of a geometry that is easily got wrong."""
    shape = {"odd": (37, 31, 19), "narrow": (40, 7, 5)}.get(geometry, (*SHAPES[axes], 0))[:axes]
    spacing = (0.5, 0.75, 4.0)[:axes] if geometry in ("anisotropic", "oblique") else None
    affine = oblique_affine((0.5, 0.75, 4.0)) if geometry == "oblique" and axes == 3 else None
    return draw_phantom(shape, seed=3, spacing=spacing, affine=affine).image


class PredictionChecks(AppFixtures):
    """What every loaded model must do."""

    @pytest.mark.parametrize("geometry", GEOMETRIES)
    def test_mask_comes_back_in_the_images_geometry(
        self, model: Predicts, axes: int, geometry: str
    ) -> None:
        """Shape, spacing and affine are the image's own, bit for bit."""
        image = image_of(geometry, axes)
        assert_mask_sound(model.predict(image, PredictRequest()).answer, image, SCHEMA)

    @PROPERTY
    @given(data=st.data())
    def test_images_of_any_size_are_predicted(
        self, model: Predicts, axes: int, data: st.DataObject
    ) -> None:
        """No size from a few pixels up is refused or answered in another shape."""
        shape = tuple(data.draw(st.integers(4, 45)) for _ in range(axes))
        image = draw_phantom(shape, seed=4).image
        assert_mask_sound(model.predict(image, PredictRequest()).answer, image, SCHEMA)

    @pytest.mark.parametrize("geometry", GEOMETRIES)
    def test_probabilities_sum_to_one_and_agree_with_the_mask(
        self, model: Predicts, axes: int, geometry: str
    ) -> None:
        """Background first, one entry a class, on the image's own grid."""
        image = image_of(geometry, axes)
        prediction = model.predict(image, PredictRequest(probabilities=True))
        assert_probabilities_sound(prediction, image, SCHEMA, self.agreement)

    def test_probabilities_are_left_out_when_nobody_asks(self, model: Predicts, axes: int) -> None:
        """They cost memory."""
        image = image_of("odd", axes)
        assert model.predict(image, PredictRequest()).probabilities is None

    @pytest.mark.parametrize("kind", STORED)
    def test_every_stored_number_type_is_predicted(
        self, model: Predicts, axes: int, kind: str
    ) -> None:
        """Files hold integers and floats of many widths, in either byte order."""
        image = image_of("odd", axes)
        image = dataclasses.replace(image, array=frozen(image.array.astype(kind)))
        assert_mask_sound(model.predict(image, PredictRequest()).answer, image, SCHEMA)

    def test_memory_layout_does_not_matter(self, model: Predicts, axes: int) -> None:
        """Readers give Fortran order and views with negative strides."""
        image = image_of("odd", axes)
        plain = mask_of(model.predict(image, PredictRequest()).answer)
        for array in (np.asfortranarray(image.array), image.array[..., ::-1].copy()[..., ::-1]):
            other = dataclasses.replace(image, array=frozen(array))
            answer = mask_of(model.predict(other, PredictRequest()).answer)
            np.testing.assert_array_equal(answer.array, plain.array)

    @pytest.mark.parametrize("level", [0, 100])
    def test_an_image_without_contrast_is_predicted(
        self, model: Predicts, axes: int, level: int
    ) -> None:
        """Scaling by a deviation of zero must not make NaN."""
        image = image_of("odd", axes)
        image = dataclasses.replace(image, array=frozen(np.full_like(image.array, level)))
        prediction = model.predict(image, PredictRequest(probabilities=True))
        assert_mask_sound(prediction.answer, image, SCHEMA)
        assert_probabilities_sound(prediction, image, SCHEMA, self.agreement)

    def test_same_seed_gives_the_same_answer(
        self, app: App, model: Predicts, weights: Path, axes: int
    ) -> None:
        """Asked again, asked after another image, and asked of a model loaded anew."""
        image, other = image_of("odd", axes), image_of("anisotropic", axes)
        first = model.predict(image, PredictRequest(seed=5))
        probabilities = probabilities_of(model, image, seed=5)
        model.predict(other, PredictRequest(seed=6))
        for again in (model, app.load(self.load_request(weights))):
            second = again.predict(image, PredictRequest(seed=5))
            np.testing.assert_array_equal(mask_of(first.answer).array, mask_of(second.answer).array)
            np.testing.assert_allclose(
                probabilities, probabilities_of(again, image, seed=5), atol=1e-5
            )

    def test_the_callers_arrays_stay_as_they_were(self, model: Predicts, axes: int) -> None:
        """Images are shared between requests."""
        image = image_of("oblique", axes)
        before = copied(image)
        model.predict(image, PredictRequest(probabilities=True))
        assert_same_image(image, before)

    def test_the_answer_is_no_view_of_the_image(self, model: Predicts, axes: int) -> None:
        """An image may lie in shared memory that is gone when the answer is read."""
        image = image_of("odd", axes)
        answer = mask_of(model.predict(image, PredictRequest()).answer)
        assert not np.shares_memory(answer.array, image.array)


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the array, read-only."""
    array.flags.writeable = False
    return array


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
