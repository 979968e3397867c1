"""Checks of `explain`: the map that shows what speaks for a class."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from limner.plugin import Explains, FloatArray, Image, Predicts, UnsuitableInput
from limner.testing.drawing import frozen
from limner.testing.fixtures import AppFixtures
from limner.testing.inputs import assert_clear
from limner.testing.predictions import GEOMETRIES, assert_same_image, copied, image_of


class ExplanationChecks(AppFixtures):
    """What a model that explains itself must do."""

    @pytest.mark.parametrize("geometry", GEOMETRIES)
    def test_explanation_lies_on_the_image_and_in_range(
        self, model: Predicts, axes: int, geometry: str
    ) -> None:
        """One number in [0, 1] for each pixel, for every class of the schema."""
        image = image_of(self.kit(), geometry, axes)
        for value in self.kit().schema.values[1:]:
            self._explained(model, image, value)

    def test_an_image_without_contrast_is_explained(self, model: Predicts, axes: int) -> None:
        """A map that is divided by its largest value must not become NaN."""
        image = image_of(self.kit(), "odd", axes)
        flat = dataclasses.replace(image, array=frozen(np.zeros_like(image.array)))
        self._explained(model, flat, self.kit().schema.values[-1])

    def test_same_image_gives_the_same_explanation(self, model: Predicts, axes: int) -> None:
        """Also after another image was explained."""
        image, value = image_of(self.kit(), "odd", axes), self.kit().schema.values[1]
        first = self._explained(model, image, value).copy()
        self._explained(model, image_of(self.kit(), "anisotropic", axes), value)
        np.testing.assert_allclose(self._explained(model, image, value), first, atol=1e-5)

    def test_classes_that_the_schema_lacks_are_not_explained(
        self, model: Predicts, axes: int
    ) -> None:
        """Neither background nor a value between those of the classes."""
        image, values = image_of(self.kit(), "odd", axes), self.kit().schema.values
        for value in (0, values[1] + 1, values[-1] + 1):
            with pytest.raises(UnsuitableInput) as refusal:
                self._explain(model, image, value)
            assert_clear(refusal.value)

    def test_an_image_that_cannot_be_predicted_is_not_explained(
        self, model: Predicts, axes: int
    ) -> None:
        """It is refused by the same words."""
        image = self.kit().draw((24, 20, 16)[:axes], seed=5, channels=2).image
        with pytest.raises(UnsuitableInput) as refusal:
            self._explain(model, image, self.kit().schema.values[1])
        assert_clear(refusal.value)

    def test_explaining_leaves_the_callers_arrays_alone(self, model: Predicts, axes: int) -> None:
        """Images are shared between requests."""
        image = image_of(self.kit(), "oblique", axes)
        before = copied(image)
        explanation = self._explained(model, image, self.kit().schema.values[1])
        assert_same_image(image, before)
        assert not np.shares_memory(explanation, image.array), "the map is a view of the image"

    def _explained(self, model: Predicts, image: Image, value: int) -> FloatArray:
        """Explain, and check what comes back."""
        explanation = self._explain(model, image, value)
        assert explanation.shape == image.shape, (
            f"the map's shape is {explanation.shape}, its image's is {image.shape}"
        )
        assert explanation.dtype == np.float32, f"the map is {explanation.dtype}; float32 is wanted"
        assert np.isfinite(explanation).all(), "some of the map is not finite"
        lowest, highest = float(explanation.min()), float(explanation.max())
        assert lowest >= 0, f"the map's smallest value is {lowest}; it lies in [0, 1]"
        assert highest <= 1, f"the map's largest value is {highest}; it lies in [0, 1]"
        return explanation

    def _explain(self, model: Predicts, image: Image, value: int) -> FloatArray:
        assert isinstance(model, Explains), f"{type(model).__name__} has no method explain"
        return model.explain(image, value)
