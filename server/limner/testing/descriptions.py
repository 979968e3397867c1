"""Checks of `describe`: what strategies may rely on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from limner.plugin import (
    Ability,
    Described,
    Describes,
    DescribesTogether,
    Description,
    Image,
    PredictRequest,
    Predicts,
)
from limner.testing.answers import assert_same_answer
from limner.testing.drawing import frozen
from limner.testing.fixtures import AppFixtures
from limner.testing.predictions import GEOMETRIES, assert_same_image, copied, image_of


def assert_description_sound(description: Description, classes: int) -> None:
    """Check lengths and ranges of a description for a number of classes."""
    for name, score in description.scores.items():
        assert np.isfinite(score), f"score {name!r} is {score}"
    entropy = description.scores.get("entropy")
    assert entropy is not None, "there is no score 'entropy', which every app is expected to give"
    assert 0 <= entropy <= 1, f"entropy is {entropy}; it lies in [0, 1]"
    scores, fractions = description.class_scores, description.class_fractions
    assert scores.shape == (classes,), f"class_scores have shape {scores.shape}, not ({classes},)"
    assert ((scores >= 0) & (scores <= 1)).all(), f"class_scores are {scores}; they lie in [0, 1]"
    assert fractions.shape == (1 + classes,), (
        f"class_fractions have shape {fractions.shape}, not ({1 + classes},), background first"
    )
    assert (fractions >= 0).all(), f"class_fractions are {fractions}; none is below 0"
    assert abs(float(fractions.sum()) - 1) <= 1e-3, f"class_fractions sum to {fractions.sum()}"
    if description.embedding is not None:
        assert description.embedding.ndim == 1, "the embedding is not one row of numbers"
        assert np.isfinite(description.embedding).all(), "the embedding is not finite"


class DescriptionChecks(AppFixtures):
    """What a model that describes must do."""

    @pytest.mark.parametrize("geometry", GEOMETRIES)
    def test_description_is_finite_and_in_range(
        self, model: Predicts, axes: int, geometry: str
    ) -> None:
        """Scores, classes and fractions have the lengths and ranges of the contract."""
        described = self._describe(model, image_of(self.kit(), geometry, axes))
        assert_description_sound(described.description, len(self.kit().schema.classes))

    def test_an_image_without_contrast_is_described(self, model: Predicts, axes: int) -> None:
        """Nothing predicted must not mean NaN."""
        image = image_of(self.kit(), "odd", axes)
        flat = dataclasses.replace(image, array=frozen(np.zeros_like(image.array)))
        description = self._describe(model, flat).description
        assert_description_sound(description, len(self.kit().schema.classes))

    def test_embeddings_of_a_model_have_one_length(self, model: Predicts, axes: int) -> None:
        """Strategies stack them."""
        images = [image_of(self.kit(), each, axes) for each in GEOMETRIES]
        made = [self._describe(model, image).description.embedding for image in images]
        lengths = {None if each is None else len(each) for each in made}
        assert len(lengths) == 1, f"embeddings have the lengths {lengths}"

    def test_describing_predicts_what_predicting_does(self, model: Predicts, axes: int) -> None:
        """The prediction of one pass is the one that would be shown."""
        image = image_of(self.kit(), "odd", axes)
        described = self._describe(model, image)
        predicted = model.predict(image, PredictRequest(seed=5))
        assert_same_answer(described.prediction.answer, predicted.answer)

    def test_same_seed_gives_the_same_description(self, model: Predicts, axes: int) -> None:
        """Also after another image was described."""
        image = image_of(self.kit(), "odd", axes)
        first = self._describe(model, image).description
        self._describe(model, image_of(self.kit(), "anisotropic", axes))
        second = self._describe(model, image).description
        assert dict(first.scores) == pytest.approx(dict(second.scores), abs=1e-5)
        np.testing.assert_allclose(first.class_scores, second.class_scores, atol=1e-5)
        np.testing.assert_allclose(first.class_fractions, second.class_fractions, atol=1e-5)

    def test_describing_together_says_what_describing_does(
        self, model: Predicts, axes: int
    ) -> None:
        """Of a model that describes several images in one pass, of each in its order."""
        images = [image_of(self.kit(), each, axes) for each in GEOMETRIES]
        alone = [self._describe(model, each) for each in images]
        if not isinstance(model, DescribesTogether):
            return  # most models have no use for it
        together = model.describe_together(images, PredictRequest(seed=5))
        assert len(together) == len(images), f"{len(images)} images, {len(together)} answers"
        for one, other in zip(alone, together, strict=True):
            assert_same_answer(one.prediction.answer, other.prediction.answer)
            first, second = one.description, other.description
            assert dict(first.scores) == pytest.approx(dict(second.scores), abs=1e-4)
            np.testing.assert_allclose(first.class_scores, second.class_scores, atol=1e-4)
            np.testing.assert_allclose(first.class_fractions, second.class_fractions, atol=1e-4)
            assert (first.embedding is None) == (second.embedding is None)
            if first.embedding is not None and second.embedding is not None:
                np.testing.assert_allclose(first.embedding, second.embedding, atol=1e-3)

    def test_describing_leaves_the_callers_arrays_alone(self, model: Predicts, axes: int) -> None:
        """Images are shared between requests."""
        image = image_of(self.kit(), "oblique", axes)
        before = copied(image)
        self._describe(model, image)
        assert_same_image(image, before)

    def _describe(self, model: Predicts, image: Image) -> Described:
        self.require(Ability.DESCRIBE)
        assert isinstance(model, Describes), f"{type(model).__name__} has no method describe"
        return model.describe(image, PredictRequest(seed=5))
