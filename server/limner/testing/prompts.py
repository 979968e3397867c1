"""Checks of `prompt`: what is answered to clicks, boxes and scribbles."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from limner.plugin import (
    Image,
    Prediction,
    PredictRequest,
    Predicts,
    Prompt,
    Prompted,
    PromptKind,
    UnsuitableInput,
)
from limner.testing.answers import arrays_of, assert_same_answer
from limner.testing.drawing import frozen
from limner.testing.fixtures import AppFixtures
from limner.testing.inputs import assert_clear
from limner.testing.predictions import GEOMETRIES, assert_same_image, copied, image_of
from limner.testing.sayings import MISFITS, SAYINGS, prompt_arrays, prompt_of


class PromptChecks(AppFixtures):
    """What a model that takes prompts must do."""

    @pytest.mark.parametrize("geometry", GEOMETRIES)
    def test_prompted_answer_comes_back_in_the_images_geometry(
        self, model: Predicts, axes: int, geometry: str
    ) -> None:
        """Whatever is said, and of several classes at once; with probabilities as in `predict`."""
        image = image_of(self.kit(), geometry, axes)
        self._prompted(model, image, self._all_prompts(image))
        self._prompted(model, image, self._all_prompts(image), probabilities=True)

    @pytest.mark.parametrize("saying", SAYINGS)
    def test_each_declared_kind_of_prompt_is_taken_alone(
        self, model: Predicts, axes: int, saying: str
    ) -> None:
        """Of any class, and where nothing else is said."""
        self._require_kind(SAYINGS[saying])
        image = image_of(self.kit(), "odd", axes)
        for value in self.kit().schema.values[1:]:
            self._prompted(model, image, [prompt_of(image, [saying], value)])

    def test_saying_nothing_gives_a_plain_prediction(self, model: Predicts, axes: int) -> None:
        """An annotator who takes the last click back sees what was there before the first."""
        image = image_of(self.kit(), "odd", axes)
        answer = self._prompted(model, image, []).answer
        assert_same_answer(answer, model.predict(image, PredictRequest(seed=5)).answer)

    def test_same_prompts_give_the_same_answer(self, model: Predicts, axes: int) -> None:
        """Also after other prompts, and another image: a call has all that was said."""
        image, other = (image_of(self.kit(), each, axes) for each in ("odd", "anisotropic"))
        first = self._prompted(model, image, self._all_prompts(image)).answer
        self._prompted(model, image, self._all_prompts(image, place=0.2)[:1])
        self._prompted(model, other, self._all_prompts(other))
        assert_same_answer(first, self._prompted(model, image, self._all_prompts(image)).answer)

    def test_an_image_without_contrast_can_be_prompted(self, model: Predicts, axes: int) -> None:
        """What is like the voxel that was clicked is then everything."""
        image = image_of(self.kit(), "odd", axes)
        flat = dataclasses.replace(image, array=frozen(np.zeros_like(image.array)))
        self._prompted(model, flat, self._all_prompts(flat))

    @pytest.mark.parametrize("misfit", MISFITS)
    def test_a_prompt_that_does_not_lie_on_the_image_is_refused(
        self, model: Predicts, axes: int, misfit: str
    ) -> None:
        """In words: a negative index must not count from the other end."""
        kind, spoil = MISFITS[misfit]
        self._require_kind(kind)
        image = image_of(self.kit(), "odd", axes)
        silent = prompt_of(image, [], self.kit().schema.values[1])
        self._refused(model, image, [spoil(silent, image)])

    def test_classes_that_the_schema_lacks_cannot_be_prompted(
        self, model: Predicts, axes: int
    ) -> None:
        """Neither background nor a value between those of the classes."""
        image, values = image_of(self.kit(), "odd", axes), self.kit().schema.values
        for value in (0, values[1] + 1, values[-1] + 1):
            self._refused(model, image, [prompt_of(image, self._sayings(), value)])

    def test_an_image_that_cannot_be_predicted_cannot_be_prompted(
        self, model: Predicts, axes: int
    ) -> None:
        """It is refused whatever is said of it."""
        image = self.kit().draw((24, 20, 16)[:axes], seed=5, channels=2).image
        self._refused(model, image, self._all_prompts(image))

    def test_prompting_leaves_the_callers_arrays_alone(self, model: Predicts, axes: int) -> None:
        """Neither image nor prompts are written to, and the answer is no view of them."""
        image = image_of(self.kit(), "oblique", axes)
        prompts = self._all_prompts(image)
        before = copied(image)
        said = [prompt_arrays(each) for each in self._all_prompts(image)]
        answer = self._prompted(model, image, prompts).answer
        assert_same_image(image, before)
        for prompt, arrays in zip(prompts, said, strict=True):
            for name, array in prompt_arrays(prompt).items():
                assert np.array_equal(array, arrays[name]), f"{name} of a prompt were changed"
        given = [image.array, *(each for one in prompts for each in prompt_arrays(one).values())]
        for name, array in arrays_of(answer).items():
            is_view = any(np.shares_memory(array, each) for each in given)
            assert not is_view, f"{name} is a view of what was given"

    def _sayings(self) -> list[str]:
        """Name everything that may be said to this app."""
        return [name for name, kind in SAYINGS.items() if kind in self.manifest.prompts]

    def _all_prompts(self, image: Image, place: float = 0.0) -> list[Prompt]:
        """Say everything of every class, each at a place of its own."""
        values = self.kit().schema.values[1:]
        return [
            prompt_of(image, self._sayings(), value, place or (1 + number) / (1 + len(values)))
            for number, value in enumerate(values)
        ]

    def _require_kind(self, kind: PromptKind) -> None:
        if kind not in self.manifest.prompts:
            pytest.skip(f"the app does not take {kind.value}")

    def _prompted(
        self,
        model: Predicts,
        image: Image,
        prompts: Sequence[Prompt],
        *,
        probabilities: bool = False,
    ) -> Prediction:
        """Prompt, and check what comes back."""
        kit = self.kit()
        prediction = self._prompt(model, image, prompts, probabilities)
        assert isinstance(prediction, Prediction), f"the answer is a {type(prediction).__name__}"
        kit.assert_sound(prediction.answer, image, kit.schema)
        if probabilities:
            kit.assert_probabilities_sound(prediction, image, kit.schema, self.agreement)
        return prediction

    def _refused(self, model: Predicts, image: Image, prompts: Sequence[Prompt]) -> None:
        with pytest.raises(UnsuitableInput) as refusal:
            self._prompt(model, image, prompts)
        assert_clear(refusal.value)

    def _prompt(
        self,
        model: Predicts,
        image: Image,
        prompts: Sequence[Prompt],
        probabilities: bool = False,
    ) -> Prediction:
        assert isinstance(model, Prompted), f"{type(model).__name__} has no method prompt"
        request = PredictRequest(probabilities=probabilities, seed=5)
        return model.prompt(image, prompts, request)
