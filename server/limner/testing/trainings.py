"""Checks of `train`: that it learns, repeats itself, and leaves what the server records."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from limner.plugin import (
    Ability,
    App,
    Case,
    PredictRequest,
    Predicts,
    TrainRequest,
    UnsuitableInput,
)
from limner.testing.answers import assert_mask_sound, mask_of, mean_dice, probabilities_of
from limner.testing.fixtures import AppFixtures, Training, run
from limner.testing.inputs import OTHER_SCHEMA, assert_clear
from limner.testing.phantoms import SCHEMA, SHAPES, draw_phantom, draw_ramp, phantom_cases
from limner.testing.predictions import assert_same_image, copied, frozen
from limner.testing.watches import assert_progress_sound


class TrainingChecks(AppFixtures):
    """What an app that trains must do."""

    def test_training_learns_an_easy_phantom(
        self, training: Training, model: Predicts, held_out: list[Case]
    ) -> None:
        """Mean Dice on unseen phantoms, measured here and not by the app."""
        score = mean_dice(model, held_out, SCHEMA)
        assert score >= self.minimum_score, (
            f"mean Dice on unseen phantoms is {score:.3f}; at least {self.minimum_score} is wanted"
        )

    def test_training_leaves_what_the_server_records(self, training: Training) -> None:
        """Weights in the workspace, a plan that JSON can say, finite figures, versions."""
        trained, request = training.trained, training.request
        assert trained.weights.is_file(), f"{trained.weights} is no file"
        assert trained.weights.resolve().is_relative_to(request.workspace.resolve())
        assert trained.steps > 0
        assert isinstance(trained.seed, int)
        json.dumps(trained.plan, allow_nan=False)
        assert all(math.isfinite(each) for each in trained.metrics.values()), trained.metrics
        assert trained.libraries, "no library version is named"
        assert all(trained.libraries.values())

    def test_training_reports_progress(self, training: Training) -> None:
        """Steps rise to a total that is known beforehand, with finite losses."""
        assert_progress_sound(training.watch.reports)
        assert training.watch.asked > 0, "the watch was never asked whether to stop"

    def test_same_seed_trains_the_same_model(
        self, app: App, training: Training, axes: int, tmp_path: Path
    ) -> None:
        """Also with another workspace and an empty cache."""
        cases = phantom_cases(axes, 3, seed=2)
        probabilities = []
        for name in ("one", "two"):
            made = run(app, self.train_request(tmp_path / name, cases, self.brief_effort))
            model = app.load(self.load_request(made.trained.weights))
            probabilities.append(probabilities_of(model, draw_ramp(SHAPES[axes])))
        np.testing.assert_allclose(probabilities[0], probabilities[1], atol=1e-5)

    def test_warm_start_keeps_the_parents_file_and_the_callers_arrays(
        self, app: App, training: Training, weights: Path, axes: int, tmp_path: Path
    ) -> None:
        """The parent is serving meanwhile; images and labels belong to the caller."""
        cases = phantom_cases(axes, 3, seed=2)
        images = [copied(case.load_image()) for case in cases]
        labels = [mask_of(case.load_label()).array.copy() for case in cases]
        before = digest(weights)
        request = self.train_request(tmp_path, cases, self.brief_effort, parent=weights)
        made = run(app, request)
        assert made.trained.weights != weights
        assert digest(weights) == before, "the parent's weights were changed"
        for case, image, label in zip(cases, images, labels, strict=True):
            assert_same_image(case.load_image(), image)
            assert np.array_equal(mask_of(case.load_label()).array, label)

    def test_absent_classes_and_empty_labels_can_be_trained_on(
        self, app: App, axes: int, tmp_path: Path
    ) -> None:
        """A class that nobody has drawn yet, and an image with nothing on it, are everyday."""
        self.require(Ability.TRAIN)
        cases = [
            *phantom_cases(axes, 2, seed=3, schema=OTHER_SCHEMA, present=2),
            *phantom_cases(axes, 1, seed=4, schema=OTHER_SCHEMA, present=0),
        ]
        request = self.train_request(tmp_path, cases, self.brief_effort, OTHER_SCHEMA)
        made = run(app, request)
        model = app.load(self.load_request(made.trained.weights, OTHER_SCHEMA))
        image = cases[0].load_image()
        assert_mask_sound(model.predict(image, PredictRequest()).answer, image, OTHER_SCHEMA)

    def test_training_without_a_case_is_refused(self, app: App, axes: int, tmp_path: Path) -> None:
        """There is nothing to learn from."""
        self._training_refused(app, self.train_request(tmp_path, (), self.brief_effort))

    def test_a_label_of_another_shape_is_refused_by_name(
        self, app: App, axes: int, tmp_path: Path
    ) -> None:
        """The message names the case, so that a person can mend it."""
        good = phantom_cases(axes, 1, seed=5)
        short = frozen(mask_of(good[0].load_label()).array[:-2].copy())
        self._training_refused(app, self._with_label(tmp_path, good, short, axes), "the-bad-one")

    def test_a_label_with_unknown_values_is_refused_by_name(
        self, app: App, axes: int, tmp_path: Path
    ) -> None:
        """Values that the schema lacks are an error, not background."""
        good = phantom_cases(axes, 1, seed=5)
        strange = mask_of(good[0].load_label()).array.copy()
        strange[strange == SCHEMA.values[1]] = 99
        self._training_refused(
            app, self._with_label(tmp_path, good, frozen(strange), axes), "the-bad-one"
        )

    def test_cases_of_different_channels_are_refused_by_name(
        self, app: App, axes: int, tmp_path: Path
    ) -> None:
        """One model takes one number of channels."""
        odd = draw_phantom((24, 20, 16)[:axes], seed=6, channels=2).case("the-bad-one")
        cases = [*phantom_cases(axes, 2, seed=5), odd]
        self._training_refused(
            app, self.train_request(tmp_path, cases, self.brief_effort), "the-bad-one"
        )

    def _with_label(
        self, folder: Path, good: Sequence[Case], array: npt.NDArray[Any], axes: int
    ) -> TrainRequest:
        label = dataclasses.replace(mask_of(good[0].load_label()), array=array)
        bad = dataclasses.replace(
            good[0], id="the-bad-one", fingerprint="bad", load_label=lambda: label
        )
        cases = [*phantom_cases(axes, 2, seed=6), bad]
        return self.train_request(folder, cases, self.brief_effort)

    def _training_refused(self, app: App, request: TrainRequest, named: str = "") -> None:
        self.require(Ability.TRAIN)
        with pytest.raises(UnsuitableInput) as refusal:
            run(app, request)
        assert_clear(refusal.value)
        assert named in str(refusal.value), f"the refusal names no case: {refusal.value}"


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
