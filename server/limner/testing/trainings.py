"""Checks of `train`: that it learns, repeats itself, and leaves what the server records."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from limner.plugin import (
    Ability,
    Answer,
    App,
    Case,
    Describes,
    LabelSchema,
    PredictRequest,
    Predicts,
    UnsuitableInput,
)
from limner.testing.answers import (
    answers_of,
    assert_models_agree,
    assert_same_arrays,
    copied_arrays,
)
from limner.testing.descriptions import assert_description_sound
from limner.testing.fixtures import AppFixtures, Training, run
from limner.testing.inputs import assert_clear, widened
from limner.testing.predictions import assert_same_image, copied
from limner.testing.watches import assert_progress_sound


class TrainingChecks(AppFixtures):
    """What an app that trains must do."""

    def test_training_learns_an_easy_phantom(
        self, training: Training, model: Predicts, held_out: list[Case]
    ) -> None:
        """On unseen phantoms, measured here and not by the app."""
        kit = self.kit()
        truths = [case.load_label() for case in held_out]
        score = kit.quality(answers_of(model, held_out), truths, kit.schema)
        assert score >= self.minimum_score, (
            f"{kit.measure} on unseen phantoms is {score:.3f}; at least {self.minimum_score} is "
            "wanted"
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
        cases = self.brief_cases(axes)
        one, two = (
            run(app, self.train_request(tmp_path / name, cases, self.brief_effort)).trained.weights
            for name in ("one", "two")
        )
        assert_models_agree(
            app.load(self.load_request(one)),
            app.load(self.load_request(two)),
            self.kit().draw_doubtful(axes),
        )

    def test_warm_start_keeps_the_parents_file_and_the_callers_arrays(
        self, app: App, training: Training, weights: Path, axes: int, tmp_path: Path
    ) -> None:
        """The parent is serving meanwhile; images and labels belong to the caller."""
        cases = self.brief_cases(axes)
        images = [copied(case.load_image()) for case in cases]
        labels = [copied_arrays(case.load_label()) for case in cases]
        before = digest(weights)
        request = self.train_request(tmp_path, cases, self.brief_effort, parent=weights)
        made = run(app, request)
        assert made.trained.weights != weights
        assert digest(weights) == before, "the parent's weights were changed"
        for case, image, label in zip(cases, images, labels, strict=True):
            assert_same_image(case.load_image(), image)
            assert_same_arrays(copied_arrays(case.load_label()), label)

    def test_absent_classes_and_empty_labels_can_be_trained_on(
        self, app: App, axes: int, tmp_path: Path
    ) -> None:
        """A class that nobody has drawn yet, and an image with nothing on it, are everyday."""
        schema = widened(self.kit().schema)
        cases = [
            *self.kit().cases(axes, 2, seed=3, schema=schema, present=2),
            *self.kit().cases(axes, 1, seed=4, schema=schema, present=0),
        ]
        self.trained_soundly(app, cases, schema, tmp_path)

    def test_a_project_of_one_class_can_be_trained_on(
        self, app: App, axes: int, tmp_path: Path
    ) -> None:
        """Its entropy has a logarithm of one to divide by, if nobody thought of it."""
        schema = dataclasses.replace(self.kit().schema, classes=self.kit().schema.classes[:1])
        cases = self.kit().cases(axes, 2, seed=3, schema=schema)
        model = self.trained_soundly(app, cases, schema, tmp_path)
        if isinstance(model, Describes):
            described = model.describe(cases[0].load_image(), PredictRequest())
            assert_description_sound(described.description, 1)

    def test_training_without_a_case_is_refused(self, app: App, axes: int, tmp_path: Path) -> None:
        """There is nothing to learn from."""
        self.training_refused(app, [], tmp_path)

    def test_a_label_of_another_shape_is_refused_by_name(
        self, app: App, axes: int, tmp_path: Path
    ) -> None:
        """The message names the case, so that a person can mend it."""
        (good,) = self.kit().cases(axes, 1, seed=5)
        misfit = self.kit().misfit(good.load_label())
        self.label_refused(app, good, misfit, axes, tmp_path)

    def test_a_label_that_the_schema_does_not_allow_is_refused_by_name(
        self, app: App, axes: int, tmp_path: Path
    ) -> None:
        """Values that the schema lacks are an error, not background."""
        (good,) = self.kit().cases(axes, 1, seed=5)
        contradiction = self.kit().contradiction(good.load_label(), self.kit().schema)
        self.label_refused(app, good, contradiction, axes, tmp_path)

    def test_cases_of_different_channels_are_refused_by_name(
        self, app: App, axes: int, tmp_path: Path
    ) -> None:
        """One model takes one number of channels; two are neither grey nor colour."""
        odd = self.kit().draw((24, 20, 16)[:axes], seed=6, channels=2).case("the-bad-one")
        cases = [*self.kit().cases(axes, 2, seed=5), odd]
        self.training_refused(app, cases, tmp_path, "the-bad-one")

    def test_grey_and_colour_are_trained_on_together_or_refused_by_name(
        self, app: App, axes: int, tmp_path: Path
    ) -> None:
        """An app may learn from both; one that cannot says which case is the odd one."""
        colour = self.kit().draw((24, 20, 16)[:axes], seed=6, channels=3).case("the-coloured-one")
        cases = [*self.kit().cases(axes, 2, seed=5), colour]
        try:
            self.trained_soundly(app, cases, self.kit().schema, tmp_path)
        except UnsuitableInput as refusal:
            assert_clear(refusal, "the-coloured-one")

    def trained_soundly(
        self, app: App, cases: Sequence[Case], schema: LabelSchema, folder: Path
    ) -> Predicts:
        """Train briefly, and check what the model answers for the first case."""
        self.require(Ability.TRAIN)
        made = run(app, self.train_request(folder, cases, self.brief_effort, schema))
        model = app.load(self.load_request(made.trained.weights, schema))
        image = cases[0].load_image()
        self.kit().assert_sound(model.predict(image, PredictRequest()).answer, image, schema)
        return model

    def label_refused(self, app: App, good: Case, label: Answer, axes: int, folder: Path) -> None:
        """Check that a training refuses a case once it has a bad label, and names it."""
        bad = dataclasses.replace(
            good, id="the-bad-one", fingerprint="bad", load_label=lambda: label
        )
        cases = [*self.kit().cases(axes, 2, seed=6), bad]
        self.training_refused(app, cases, folder, "the-bad-one")

    def training_refused(
        self, app: App, cases: Sequence[Case], folder: Path, named: str = ""
    ) -> None:
        """Check that a training is refused in words that name a case."""
        self.require(Ability.TRAIN)
        with pytest.raises(UnsuitableInput) as refusal:
            run(app, self.train_request(folder, cases, self.brief_effort))
        assert_clear(refusal.value, named)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
