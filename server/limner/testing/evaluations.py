"""Checks of `evaluate`: the figures that decide promotion."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from limner.plugin import (
    Ability,
    Case,
    Evaluates,
    Evaluation,
    Predicts,
    Stopped,
    UnsuitableInput,
)
from limner.testing.answers import assert_same_arrays, copied_arrays
from limner.testing.fixtures import AppFixtures
from limner.testing.inputs import assert_clear
from limner.testing.predictions import assert_same_image, copied
from limner.testing.watches import Recorder, assert_progress_sound


def assert_scores_in_range(evaluation: Evaluation) -> None:
    """Check that every score lies in [0, 1], and that every figure is finite."""
    shares = (evaluation.case_scores, evaluation.class_scores, evaluation.class_tolerances)
    for scores in shares:
        assert all(0 <= score <= 1 for score in scores.values()), f"out of range: {scores}"
    weights = evaluation.case_weights
    assert set(weights) in (set(), set(evaluation.case_scores)), "case_weights must name every case"
    assert all(np.isfinite(each) and each > 0 for each in weights.values()), f"weights: {weights}"
    assert 0 <= evaluation.chance <= 1, f"chance is {evaluation.chance}; it lies in [0, 1]"
    for name, figure in evaluation.metrics.items():
        assert np.isfinite(figure), f"{name} is {figure}"


class EvaluationChecks(AppFixtures):
    """What a model that evaluates itself must do."""

    def test_every_case_is_scored_in_range(self, model: Predicts, held_out: list[Case]) -> None:
        """One score in [0, 1] for each case, and class scores under the schema's names."""
        evaluation = self.evaluated(model, held_out)
        assert set(evaluation.case_scores) == {case.id for case in held_out}
        for scores in (evaluation.class_scores, evaluation.class_tolerances):
            assert set(scores) <= set(self.kit().schema.names)
        assert_scores_in_range(evaluation)

    def test_labels_with_nothing_to_find_are_scored(self, model: Predicts, axes: int) -> None:
        """Many measures are not defined then; the scores are in [0, 1] all the same.

        Dice divides by zero where nothing is drawn and nothing found. A ROC curve needs images of
        two classes, and where every image must have one these all have the first.
        """
        cases = self.kit().cases(axes, 2, seed=11, present=0)
        assert_scores_in_range(self.evaluated(model, cases))

    def test_evaluation_reports_progress(self, model: Predicts, held_out: list[Case]) -> None:
        """Steps rise to a total that is known beforehand."""
        watch = Recorder()
        self.evaluated(model, held_out, watch)
        assert_progress_sound(watch.reports)

    def test_evaluation_stops_when_told(self, model: Predicts, held_out: list[Case]) -> None:
        """Within a second or two, and by `Stopped`."""
        many = [dataclasses.replace(held_out[0], id=str(number)) for number in range(200)]
        watch = Recorder(stop_when=lambda report: report.step < report.total)
        with pytest.raises(Stopped):
            self.evaluated(model, many, watch)
        assert watch.told_at is not None, "no progress was reported before the end"
        assert watch.seconds_since_told <= self.stop_seconds

    def test_evaluation_leaves_the_callers_arrays_alone(
        self, model: Predicts, held_out: list[Case]
    ) -> None:
        """Neither image nor label is written to."""
        images = [copied(case.load_image()) for case in held_out]
        labels = [copied_arrays(case.load_label()) for case in held_out]
        self.evaluated(model, held_out)
        for case, image, label in zip(held_out, images, labels, strict=True):
            assert_same_image(case.load_image(), image)
            assert_same_arrays(copied_arrays(case.load_label()), label)

    def test_a_label_of_another_shape_is_refused(self, model: Predicts, axes: int) -> None:
        """A label that does not lie on its image cannot be compared with the answer."""
        phantom = self.kit().draw((24, 20, 16)[:axes], seed=12)
        misfit = self.kit().misfit(phantom.label)
        bad = dataclasses.replace(phantom.case("bad"), load_label=lambda: misfit)
        with pytest.raises(UnsuitableInput) as refusal:
            self.evaluated(model, [bad])
        assert_clear(refusal.value)

    def evaluated(
        self, model: Predicts, cases: Sequence[Case], watch: Recorder | None = None
    ) -> Evaluation:
        """Have a model evaluate itself; skips where the app cannot."""
        self.require(Ability.EVALUATE)
        assert isinstance(model, Evaluates), f"{type(model).__name__} has no method evaluate"
        return model.evaluate(cases, watch or Recorder())
