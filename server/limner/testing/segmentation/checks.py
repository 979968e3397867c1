"""Checks that make sense of masks only."""

from __future__ import annotations

import numpy as np
import pytest

from limner.plugin import Case, Predicts
from limner.testing.answers import answers_of
from limner.testing.evaluations import EvaluationChecks
from limner.testing.segmentation.kit import dice_by_class, mask_of


class SegmentationChecks(EvaluationChecks):
    """What only an app that outlines must do."""

    def test_dice_is_what_the_predictions_have(self, model: Predicts, held_out: list[Case]) -> None:
        """A model that measures itself tells the truth."""
        evaluation = self.evaluated(model, held_out)
        if evaluation.measure != "dice":
            pytest.skip(f"the kit cannot compute the measure {evaluation.measure!r}")
        by_class: dict[str, list[float]] = {}
        for case, answer in zip(held_out, answers_of(model, held_out), strict=True):
            truth = mask_of(case.load_label()).array
            dice = dice_by_class(mask_of(answer).array, truth, self.kit().schema)
            assert evaluation.case_scores[case.id] == pytest.approx(
                np.mean(list(dice.values())), abs=2e-3
            )
            for name, score in dice.items():
                by_class.setdefault(name, []).append(score)
        means = {name: np.mean(scores) for name, scores in by_class.items()}
        assert dict(evaluation.class_scores) == pytest.approx(means, abs=2e-3)
