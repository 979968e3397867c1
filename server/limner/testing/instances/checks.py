"""Checks that make sense of separate objects only."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from limner.plugin import App, Case, Describes, PredictRequest, Predicts, UnsuitableInput
from limner.testing.answers import answers_of
from limner.testing.descriptions import assert_description_sound
from limner.testing.evaluations import EvaluationChecks
from limner.testing.inputs import assert_clear
from limner.testing.instances.difficult import DIFFICULT
from limner.testing.instances.kit import instances_of
from limner.testing.instances.quality import panoptic_quality
from limner.testing.trainings import TrainingChecks


class InstancesChecks(TrainingChecks, EvaluationChecks):
    """What only an app that finds objects must do."""

    def test_panoptic_quality_is_what_the_predictions_have(
        self, model: Predicts, held_out: list[Case]
    ) -> None:
        """A model that measures itself tells the truth."""
        evaluation = self.evaluated(model, held_out)
        if evaluation.measure != "pq":
            pytest.skip(f"the kit cannot compute the measure {evaluation.measure!r}")
        by_class: dict[str, list[float]] = {}
        for case, answer in zip(held_out, answers_of(model, held_out), strict=True):
            quality = panoptic_quality(
                instances_of(answer), instances_of(case.load_label()), self.kit().schema
            )
            assert evaluation.case_scores[case.id] == pytest.approx(
                np.mean(list(quality.values())), abs=2e-3
            )
            for name, score in quality.items():
                by_class.setdefault(name, []).append(score)
        means = {name: np.mean(scores) for name, scores in by_class.items()}
        assert dict(evaluation.class_scores) == pytest.approx(means, abs=2e-3)

    @pytest.mark.parametrize("difficulty", DIFFICULT)
    def test_difficult_objects_can_be_trained_on(
        self, app: App, axes: int, difficulty: str, tmp_path: Path
    ) -> None:
        """Boxes without masks, single pixels, parts with gaps, objects on each other."""
        cases = [self._difficult(case, difficulty) for case in self.brief_cases(axes)]
        self.trained_soundly(app, cases, self.kit().schema, tmp_path)

    @pytest.mark.parametrize("difficulty", DIFFICULT)
    def test_difficult_objects_are_scored(
        self, model: Predicts, held_out: list[Case], difficulty: str
    ) -> None:
        """A box without a mask has no overlap by the formula; the score is in [0, 1] anyway."""
        evaluation = self.evaluated(model, [self._difficult(case, difficulty) for case in held_out])
        scores = evaluation.case_scores.values()
        assert all(0 <= score <= 1 for score in scores), f"out of range: {evaluation.case_scores}"

    def test_images_with_no_object_alone_are_trained_on_or_refused(
        self, app: App, axes: int, tmp_path: Path
    ) -> None:
        """There is no size to plan from; what comes of it must not be a crash, nor NaN."""
        schema = self.kit().schema
        cases = self.kit().cases(axes, 2, seed=4, present=0)
        try:
            model = self.trained_soundly(app, cases, schema, tmp_path)
        except UnsuitableInput as refusal:
            assert_clear(refusal)
            return
        if isinstance(model, Describes):
            described = model.describe(cases[0].load_image(), PredictRequest())
            assert_description_sound(described.description, len(schema.classes))

    def test_a_mask_that_does_not_fit_its_box_is_refused_by_name(
        self, app: App, axes: int, tmp_path: Path
    ) -> None:
        """Else it would be drawn in the wrong place."""
        (good,) = self.kit().cases(axes, 1, seed=5)
        label = instances_of(good.load_label())
        cut = tuple(None if mask is None else mask[:-1] for mask in label.masks)
        self.label_refused(app, good, dataclasses.replace(label, masks=cut), axes, tmp_path)

    def _difficult(self, case: Case, difficulty: str) -> Case:
        label = DIFFICULT[difficulty](instances_of(case.load_label()), case.load_image().shape)
        fingerprint = f"{case.fingerprint}-{difficulty}"
        return dataclasses.replace(case, fingerprint=fingerprint, load_label=lambda: label)
