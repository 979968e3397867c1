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
    PredictRequest,
    Predicts,
    Stopped,
    UnsuitableInput,
)
from limner.testing.answers import dice_by_class, mask_of
from limner.testing.fixtures import AppFixtures
from limner.testing.inputs import assert_clear
from limner.testing.phantoms import SCHEMA, draw_phantom, phantom_cases
from limner.testing.predictions import assert_same_image, copied, frozen
from limner.testing.watches import Recorder, assert_progress_sound


class EvaluationChecks(AppFixtures):
    """What a model that evaluates itself must do."""

    def test_every_case_is_scored_in_range(self, model: Predicts, held_out: list[Case]) -> None:
        """One score in [0, 1] for each case, and class scores under the schema's names."""
        evaluation = self._evaluate(model, held_out)
        assert set(evaluation.case_scores) == {case.id for case in held_out}
        assert set(evaluation.class_scores) <= set(SCHEMA.names)
        for scores in (evaluation.case_scores, evaluation.class_scores):
            assert all(0 <= score <= 1 for score in scores.values()), f"out of range: {scores}"
        assert all(np.isfinite(each) for each in evaluation.metrics.values())

    def test_dice_is_what_the_predictions_have(self, model: Predicts, held_out: list[Case]) -> None:
        """A model that measures itself tells the truth."""
        evaluation = self._evaluate(model, held_out)
        if evaluation.measure != "dice":
            pytest.skip(f"the kit cannot compute the measure {evaluation.measure!r}")
        by_class: dict[str, list[float]] = {}
        for case in held_out:
            answer = mask_of(model.predict(case.load_image(), PredictRequest()).answer)
            dice = dice_by_class(answer.array, mask_of(case.load_label()).array, SCHEMA)
            assert evaluation.case_scores[case.id] == pytest.approx(
                np.mean(list(dice.values())), abs=2e-3
            )
            for name, score in dice.items():
                by_class.setdefault(name, []).append(score)
        means = {name: np.mean(scores) for name, scores in by_class.items()}
        assert dict(evaluation.class_scores) == pytest.approx(means, abs=2e-3)

    def test_a_label_without_foreground_is_scored(self, model: Predicts, axes: int) -> None:
        """An empty label has no Dice by the formula; the score is in [0, 1] all the same."""
        cases = phantom_cases(axes, 2, seed=11, present=0)
        evaluation = self._evaluate(model, cases)
        assert all(0 <= score <= 1 for score in evaluation.case_scores.values())

    def test_evaluation_reports_progress(self, model: Predicts, held_out: list[Case]) -> None:
        """Steps rise to a total that is known beforehand."""
        watch = Recorder()
        self._evaluate(model, held_out, watch)
        assert_progress_sound(watch.reports)

    def test_evaluation_stops_when_told(self, model: Predicts, held_out: list[Case]) -> None:
        """Within a second or two, and by `Stopped`."""
        many = [dataclasses.replace(held_out[0], id=str(number)) for number in range(200)]
        watch = Recorder(stop_when=lambda report: report.step < report.total)
        with pytest.raises(Stopped):
            self._evaluate(model, many, watch)
        assert watch.told_at is not None, "no progress was reported before the end"
        assert watch.seconds_since_told <= self.stop_seconds

    def test_evaluation_leaves_the_callers_arrays_alone(
        self, model: Predicts, held_out: list[Case]
    ) -> None:
        """Neither image nor label is written to."""
        images = [copied(case.load_image()) for case in held_out]
        labels = [mask_of(case.load_label()).array.copy() for case in held_out]
        self._evaluate(model, held_out)
        for case, image, label in zip(held_out, images, labels, strict=True):
            assert_same_image(case.load_image(), image)
            assert np.array_equal(mask_of(case.load_label()).array, label)

    def test_a_label_of_another_shape_is_refused(self, model: Predicts, axes: int) -> None:
        """A label that does not lie on its image cannot be compared with the answer."""
        phantom = draw_phantom((24, 20, 16)[:axes], seed=12)
        short = dataclasses.replace(phantom.label, array=frozen(phantom.label.array[:-2].copy()))
        bad = dataclasses.replace(phantom.case("bad"), load_label=lambda: short)
        with pytest.raises(UnsuitableInput) as refusal:
            self._evaluate(model, [bad])
        assert_clear(refusal.value)

    def _evaluate(
        self, model: Predicts, cases: Sequence[Case], watch: Recorder | None = None
    ) -> Evaluation:
        self.require(Ability.EVALUATE)
        assert isinstance(model, Evaluates), f"{type(model).__name__} has no method evaluate"
        return model.evaluate(cases, watch or Recorder())
