"""Checks that make sense of images that are sorted only."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from limner.plugin import (
    Ability,
    App,
    Case,
    ClassScores,
    Evaluates,
    Predicts,
    UnsuitableInput,
)
from limner.testing.answers import answers_of
from limner.testing.classification.kit import scores_of
from limner.testing.classification.phantoms import SEVERAL
from limner.testing.classification.quality import balanced_accuracy, mean_auroc
from limner.testing.drawing import frozen
from limner.testing.evaluations import EvaluationChecks, assert_scores_in_range
from limner.testing.fixtures import run
from limner.testing.inputs import assert_clear
from limner.testing.trainings import TrainingChecks
from limner.testing.watches import Recorder


class ClassificationChecks(TrainingChecks, EvaluationChecks):
    """What only an app that sorts must do."""

    def test_wrong_labels_lower_the_score(self, model: Predicts, held_out: list[Case]) -> None:
        """Whatever the measure: a model that has learnt agrees less with swapped classes."""
        right = self.evaluated(model, held_out)
        wrong = self.evaluated(model, [_swapped(case) for case in held_out])
        means = [float(np.mean(list(each.case_scores.values()))) for each in (right, wrong)]
        assert means[0] > means[1], (
            f"the mean {right.measure} is {means[0]:.3f} with the right labels and {means[1]:.3f} "
            "with wrong ones"
        )
        assert means[0] > right.chance, (
            f"the mean {right.measure} is {means[0]:.3f}, no more than guessing: {right.chance:.3f}"
        )

    def test_figures_are_what_the_predictions_have(
        self, model: Predicts, held_out: list[Case]
    ) -> None:
        """Of those that the kit can compute: balanced accuracy and area under the ROC curves."""
        metrics = self.evaluated(model, held_out).metrics
        scores = np.stack([scores_of(each) for each in answers_of(model, held_out)])
        truths = np.stack([scores_of(case.load_label()) for case in held_out]) > 0
        own = {
            "balanced_accuracy": balanced_accuracy(scores, truths, exclusive=True),
            "auroc": mean_auroc(scores, truths),
        }
        told = {name: metrics[name] for name in own if name in metrics}
        if not told:
            pytest.skip(f"the kit cannot compute any of the metrics {sorted(metrics)}")
        assert told == pytest.approx({name: own[name] for name in told}, abs=2e-3)

    def test_several_classes_or_none_are_learnt(self, app: App, axes: int, tmp_path: Path) -> None:
        """Where classes do not exclude each other, images have one of them, all, or none."""
        self.require(Ability.TRAIN)
        kit = self.kit()
        cases = kit.cases(axes, kit.training_cases, seed=1, schema=SEVERAL)
        made = run(app, self.train_request(tmp_path, cases, self.effort, SEVERAL))
        model = app.load(self.load_request(made.trained.weights, SEVERAL))
        unseen = kit.cases(axes, kit.held_out_cases, seed=9, schema=SEVERAL)
        answers = answers_of(model, unseen)
        for case, answer in zip(unseen, answers, strict=True):
            kit.assert_sound(answer, case.load_image(), SEVERAL)
        score = kit.quality(answers, [case.load_label() for case in unseen], SEVERAL)
        assert score >= self.minimum_score, (
            f"{kit.measure} on unseen phantoms is {score:.3f}; at least {self.minimum_score} is "
            "wanted"
        )
        if isinstance(model, Evaluates):
            assert_scores_in_range(model.evaluate(unseen, Recorder()))

    def test_weights_do_not_pass_for_classes_of_the_other_kind(
        self, app: App, weights: Path, axes: int
    ) -> None:
        """Weights for one class an image are refused where there may be several, or answer so."""
        image = self.kit().draw(self.kit().shapes[axes], seed=3).image
        try:
            answers = answers_of(
                app.load(self.load_request(weights, SEVERAL)),
                [self.kit().draw(image.shape, seed=3).case("one")],
            )
        except UnsuitableInput as refusal:
            assert_clear(refusal)
        else:
            self.kit().assert_sound(answers[0], image, SEVERAL)

    @pytest.mark.parametrize("wrong", [0.0, 0.5, float("nan")], ids=["none", "half", "nan"])
    def test_a_label_that_is_no_choice_is_refused_by_name(
        self, app: App, axes: int, wrong: float, tmp_path: Path
    ) -> None:
        """An image has exactly one of the classes here, and wholly."""
        (good,) = self.kit().cases(axes, 1, seed=5)
        scores = np.full_like(scores_of(good.load_label()), wrong)
        self.label_refused(app, good, ClassScores(probabilities=frozen(scores)), axes, tmp_path)


def _swapped(case: Case) -> Case:
    """Return a case with the other class's label."""
    other = ClassScores(probabilities=frozen(scores_of(case.load_label())[::-1].copy()))
    return dataclasses.replace(
        case, fingerprint=f"{case.fingerprint}-swapped", load_label=lambda: other
    )
