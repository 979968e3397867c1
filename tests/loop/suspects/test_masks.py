"""Softmin, and masks that differ from what a model sees."""

from __future__ import annotations

import math

import numpy as np
import pytest

from limner.loop.suspects import judge_mask, softmin
from limner.loop.suspects.masks import pixel_scores
from limner.plugin import LabelClass, LabelSchema

SCHEMA = LabelSchema(classes=(LabelClass(name="liver", value=3), LabelClass(name="cyst", value=7)))


def probabilities(truth: np.ndarray, sure: float = 0.98) -> np.ndarray:
    """What a model says that is this sure of the right rows of the class axis."""
    rest = (1 - sure) / 2
    return np.where(np.arange(3)[:, None, None] == truth, sure, rest).astype(np.float32)


def test_softmin_is_the_mean_weighed_by_how_bad_each_score_is() -> None:
    scores = np.array([0.9, 0.4])
    weights = [math.exp(0.1 / 0.1), math.exp(0.6 / 0.1)]
    expected = (0.9 * weights[0] + 0.4 * weights[1]) / sum(weights)
    assert softmin.softmin(scores) == pytest.approx(expected)
    assert softmin.softmin(np.full((3, 4), 0.7)) == pytest.approx(0.7)
    assert softmin.softmin(np.zeros(0)) == 1.0


def test_softmin_in_pieces_is_softmin(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(0).random((30, 7))
    whole = softmin.softmin(scores)
    monkeypatch.setattr(softmin, "_CHUNK", 11)
    assert softmin.softmin(scores) == pytest.approx(whole)


def test_a_pixels_score_is_the_probability_of_its_label() -> None:
    p = np.arange(12.0).reshape(3, 2, 2)
    assert pixel_scores(np.array([[0, 1], [2, 0]]), p).tolist() == [[0.0, 5.0], [10.0, 3.0]]


def test_a_small_hole_is_worse_than_an_uncertain_outline() -> None:
    truth = np.zeros((40, 40), np.int64)
    truth[10:30, 10:30] = 1
    said = probabilities(truth)
    mask = np.where(truth == 1, 3, 0)
    right = judge_mask(mask, said, SCHEMA)
    unsure = said.copy()
    unsure[:, 9:11, 10:30] = np.array([0.5, 0.48, 0.02])[:, None, None]
    outline = judge_mask(mask, unsure, SCHEMA)
    holed = mask.copy()
    holed[15:18, 15:18] = 0
    hole = judge_mask(holed, said, SCHEMA)
    assert hole.score < 0.1 < outline.score < right.score
    assert (hole.is_suspect, right.is_suspect) == (True, False)
    assert "at 9 of 1,600 voxels" in hole.reason
    assert hole.model_says["differs_at"] == 9
    confusion = {"labelled": "background", "model_says": "liver", "voxels": 9}
    assert hole.model_says["confusions"] == [confusion]


def test_a_class_that_was_taken_for_another_is_named_first() -> None:
    truth = np.zeros((20, 20), np.int64)
    truth[2:9, 2:9] = 2
    mask = np.where(truth == 2, 3, 0)
    mask[0, 0] = 7
    found = judge_mask(mask, probabilities(truth), SCHEMA)
    assert found.score < 0.1
    assert "labelled 'liver' and look like 'cyst'" in found.reason
    assert [each["voxels"] for each in found.model_says["confusions"]] == [49, 1]  # type: ignore[union-attr,index,call-overload]


def test_a_mask_that_nothing_is_likelier_than_is_told_so() -> None:
    p = np.full((3, 4, 4), 0.3, np.float32)
    p[0] = 0.4
    found = judge_mask(np.zeros((4, 4), np.int64), p, SCHEMA)
    assert found.is_suspect
    assert found.reason.startswith("The model finds what the mask says unlikely")


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="2 classes need"):
        judge_mask(np.zeros((4, 4), np.int64), np.zeros((2, 4, 4)), SCHEMA)
