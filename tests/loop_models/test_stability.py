"""A version is compared with the one before, on images that neither has learnt from."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Any

import pytest

from limner.images import read_mask
from limner.loop.agreement.dice import dice
from limner.settings import Limits

MakeLab = Callable[..., Any]


@pytest.fixture
def lab(make_lab: MakeLab) -> Any:
    lab = make_lab()
    lab.start()
    lab.ids = lab.add_images(14)
    lab.label(lab.ids[:4])
    lab.train()
    lab.idle()
    return lab


def masks(lab: Any, ids: list[int]) -> list[Any]:
    found = [lab.predictions.predict("demo", each).data for each in ids]
    return [read_mask(each, Limits(), suffix=".nii.gz").array for each in found]


def promote(lab: Any, labels: list[int]) -> Any:
    """Label some more, and let the version that learns from them serve."""
    lab.label(labels)
    lab.engine.scores = [0.9, 0.9, 0.5]  # two folds, then the serving version
    lab.train()
    lab.idle()
    return lab.serving()


def test_the_agreement_is_that_of_the_images_that_neither_version_learnt(lab: Any) -> None:
    unseen = lab.ids[6:]
    before = masks(lab, unseen)
    assert lab.serving().stability is None
    version = promote(lab, lab.ids[4:6])
    after = masks(lab, unseen)
    expected = fmean(dice(a, b, 1) for a, b in zip(before, after, strict=True))
    assert version.number == 2
    assert version.stability == {
        "measure": "dice",
        "agreement": pytest.approx(expected),
        "cases": len(unseen),
        "compared_with": 1,
    }


def test_too_few_images_left_say_nothing(lab: Any) -> None:
    assert promote(lab, lab.ids[4:10]).stability is None


def test_what_was_found_stays_when_the_pool_is_scanned_again(lab: Any) -> None:
    found = promote(lab, lab.ids[4:6]).stability
    lab.rescore()
    assert lab.serving().stability == found
