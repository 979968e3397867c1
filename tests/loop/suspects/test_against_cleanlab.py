"""The same numbers as cleanlab's, by the authors of the three papers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.conftest import absent

from limner.loop.suspects.classes import NOBODY, confident_classes, margins, thresholds
from limner.loop.suspects.masks import pixel_scores
from limner.loop.suspects.objects import box_scores, similarities
from limner.loop.suspects.softmin import softmin
from limner.plugin import Instances


@pytest.fixture(scope="module", autouse=True)
def _cleanlab() -> None:
    try:
        import cleanlab  # noqa: F401
    except ImportError:
        absent("cleanlab is not installed; install it with: pip install -e '.[dev]'")


@pytest.mark.parametrize("seed", range(5))
def test_confident_learning(seed: int) -> None:
    from cleanlab.count import compute_confident_joint, get_confident_thresholds
    from cleanlab.rank import get_normalized_margin_for_each_label

    random = np.random.default_rng(seed)
    truth = random.integers(0, 4, 300)
    p = random.dirichlet(np.ones(4), 300) + 1.5 * np.eye(4)[truth]
    p /= p.sum(axis=1, keepdims=True)
    given = np.where(random.random(300) < 0.1, random.integers(0, 4, 300), truth)
    limits = thresholds(given, p)
    assert limits == pytest.approx(get_confident_thresholds(given, p))
    assert margins(given, p) == pytest.approx(get_normalized_margin_for_each_label(given, p))
    _, theirs = compute_confident_joint(
        given, p, calibrate=False, return_indices_of_off_diagonals=True
    )
    taken_for = confident_classes(given, p)
    ours = np.flatnonzero((taken_for != NOBODY) & (taken_for != given))
    # Where several classes reach their thresholds, the paper takes the likeliest of these; cleanlab
    # takes the likeliest of all, which is nearly always the same.
    sure = p >= limits - 1e-6
    alike = (sure.sum(axis=1) < 2) | sure[np.arange(300), p.argmax(axis=1)]
    assert alike.mean() > 0.9
    assert len(ours) > 5
    assert set(ours[alike[ours]]) == set(theirs[alike[theirs]])


def test_softmin_of_masks() -> None:
    from cleanlab.segmentation.rank import get_label_quality_scores

    random = np.random.default_rng(0)
    p = random.dirichlet(np.ones(3), (4, 9, 7)).transpose(0, 3, 1, 2)
    masks = random.integers(0, 3, (4, 9, 7))
    theirs, _ = get_label_quality_scores(masks, p, verbose=False)
    ours = [softmin(pixel_scores(mask, each)) for mask, each in zip(masks, p, strict=True)]
    assert ours == pytest.approx(theirs)


def test_objects() -> None:
    from cleanlab.object_detection.rank import get_label_quality_scores

    random = np.random.default_rng(1)
    pairs = [_pair(random) for _ in range(12)]
    labels = [{"bboxes": a.boxes, "labels": a.classes - 1} for a, _ in pairs]
    theirs = get_label_quality_scores(labels, [_theirs(b) for _, b in pairs], verbose=False)
    floor = min(similarities(a.boxes, b.boxes).min() for a, b in pairs)
    ours = [box_scores(a, b, floor=floor).pooled for a, b in pairs]
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert min(ours) < 0.5 < max(ours)


def _pair(random: np.random.Generator) -> tuple[Instances, Instances]:
    """A label and an answer that mostly agree; an object is lost, moved or swapped here and there.

    Boxes are of two corners, in the order that cleanlab has them too.
    """
    corners = random.integers(0, 80, (5, 2))
    boxes = np.concatenate([corners, corners + random.integers(8, 20, (5, 2))], axis=1)
    classes = random.integers(1, 3, 5)
    scores = random.choice([0.4, 0.7, 0.99], 5)
    moved = boxes + np.tile(random.integers(-4, 5, (5, 2)), 2)
    swapped = np.where(random.random(5) < 0.2, 3 - classes, classes)
    kept = slice(random.integers(0, 2), 5)
    return _instances(boxes[kept], classes[kept], np.ones(5)[kept]), _instances(
        moved, swapped, scores
    )


def _instances(boxes: Any, classes: Any, scores: Any) -> Instances:
    return Instances(
        boxes=np.asarray(boxes, np.float32),
        masks=(None,) * len(boxes),
        classes=np.asarray(classes, np.int64),
        scores=np.asarray(scores, np.float32),
    )


def _theirs(answer: Instances) -> Any:
    """An array for each class, with a row of box and score for each object."""
    rows = np.concatenate([answer.boxes, answer.scores[:, None]], axis=1)
    ragged = np.empty(2, object)
    for value in (1, 2):
        ragged[value - 1] = rows[answer.classes == value]
    return ragged
