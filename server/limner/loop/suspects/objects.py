"""Suspect labels of objects, by ObjectLab: overlooked, badly located, or of a swapped class.

Tkachenko, Thyagarajan and Mueller, "ObjectLab: automated diagnosis of mislabeled images in object
detection data", 2023, arXiv:2309.00832. Boxes are compared, so labels that are boxes alone are
judged like outlines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from limner.loop.suspects.finding import Finding
from limner.loop.suspects.softmin import softmin
from limner.plugin import Instances, Json

Floats: TypeAlias = npt.NDArray[np.float64]

OVERLAP_WEIGHT = 0.9
"""How much the overlap of two boxes counts in their similarity; the rest is their centres'."""
NEAR_PIXELS = 10.0
"""Distance of two centres at which their nearness has fallen to 1 / e."""
SURE = 0.95
"""Score from which an object counts against a label that lacks it or says another class."""
LIKELY = 0.5
"""Score above which an object counts against the place of a label's box."""
FLOOR = 1e-6
"""Least similarity: keeps one certain error from hiding how bad the others are."""
SAME_BOX = 0.95
"""Overlap from which two boxes of a label are one object, with two classes."""
FOUND_BELOW = 0.5
"""Box score below which an object is told of as badly located or swapped."""


@dataclass(frozen=True, slots=True)
class BoxScores:
    """Scores in [0, 1], smaller is worse, of one image."""

    overlooked: Floats
    """(f,), for each sure object of the model that touches no labelled box."""
    located: Floats
    """(n,), for each labelled box; 1 where the model says nothing of it."""
    swapped: Floats
    """(n,), for each labelled box; 1 where the model is sure of no other class."""

    @property
    def pooled(self) -> float:
        """Geometric mean of the three softmins: each kind of error weighs a third."""
        parts = [softmin(each) for each in (self.overlooked, self.located, self.swapped)]
        return float(np.prod(parts) ** (1 / 3))


def overlaps(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> Floats:
    """Return the intersection over union of every two boxes, (n, m), of (n, 2 d) and (m, 2 d)."""
    a, b = np.asarray(first, np.float64)[:, None], np.asarray(second, np.float64)[None]
    axes = a.shape[-1] // 2
    sides = np.minimum(a[..., axes:], b[..., axes:]) - np.maximum(a[..., :axes], b[..., :axes])
    common = np.prod(np.maximum(sides, 0), axis=-1)
    areas = [np.prod(each[..., axes:] - each[..., :axes], axis=-1) for each in (a, b)]
    return np.asarray(common / np.maximum(areas[0] + areas[1] - common, FLOOR))


def similarities(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> Floats:
    """Return how alike every two boxes are, (n, m): mostly their overlap, a little their centres.

    Args:
        first: (n, 2 d), first corner then last, in pixels.
        second: (m, 2 d).
    """
    a, b = np.asarray(first, np.float64)[:, None], np.asarray(second, np.float64)[None]
    axes = a.shape[-1] // 2
    apart = (a[..., :axes] + a[..., axes:] - b[..., :axes] - b[..., axes:]) / 2
    near = np.exp(-np.linalg.norm(apart, axis=-1) / NEAR_PIXELS)
    return np.asarray(OVERLAP_WEIGHT * overlaps(first, second) + (1 - OVERLAP_WEIGHT) * near)


def box_scores(label: Instances, answer: Instances, *, floor: float = FLOOR) -> BoxScores:
    """Score every box of a label, and every sure object of an answer.

    Args:
        label: What the annotator drew.
        answer: What a model says that has not learnt from it.
        floor: Least similarity.
    """
    alike, overlap = similarities(label.boxes, answer.boxes), overlaps(label.boxes, answer.boxes)
    sure = answer.scores.astype(np.float64)
    missed = [
        _nearest(alike[label.classes == answer.classes[j], j], floor * (1 - sure[j]))
        for j in range(len(sure))
        if sure[j] >= SURE and not (overlap[:, j] > 0).any()
    ]
    doubled = _doubled(label)
    located, swapped = np.ones(len(label.boxes)), np.ones(len(label.boxes))
    for i, value in enumerate(label.classes):
        same = (answer.classes == value) & (sure > LIKELY) & (overlap[i] > 0)
        located[i] = _nearest(alike[i, same], 1.0)
        other = (answer.classes != value) & (sure > SURE)
        swapped[i] = floor if doubled[i] else max(floor, 1 - _nearest(alike[i, other], 0.0))
    return BoxScores(np.array(missed, np.float64), located, swapped)


def judge_objects(label: Instances, answer: Instances) -> Finding:
    """Judge the objects of one image.

    Args:
        label: What the annotator drew.
        answer: What a model says that has not learnt from it.
    """
    scores = box_scores(label, answer)
    overlooked = len(scores.overlooked)
    located = int((scores.located < FOUND_BELOW).sum())
    swapped = int((scores.swapped < FOUND_BELOW).sum())
    score = scores.pooled
    if not overlooked + located + swapped:
        return Finding(score=score, is_suspect=False, reason="", model_says={})
    says: dict[str, Json] = {
        "overlooked": overlooked,
        "badly_located": located,
        "swapped": swapped,
        "objects": len(answer.boxes),
    }
    parts = [
        f"the model is sure of {_objects(overlooked)} that the label lacks",
        f"{_objects(located)} of the label lie elsewhere, as the model sees it"
        if located > 1
        else "one object of the label lies elsewhere, as the model sees it",
        f"{_objects(swapped)} of the label may be of another class",
    ]
    told = [part for part, n in zip(parts, (overlooked, located, swapped), strict=True) if n]
    reason = "; ".join(told) + "."
    return Finding(
        score=score, is_suspect=True, reason=reason[0].upper() + reason[1:], model_says=says
    )


def _nearest(values: npt.NDArray[Any], otherwise: float) -> float:
    return float(values.max()) if len(values) else otherwise


def _doubled(label: Instances) -> npt.NDArray[np.bool_]:
    """Tell which boxes were drawn twice, with different classes: (n,)."""
    same_place = overlaps(label.boxes, label.boxes) >= SAME_BOX
    return np.asarray((same_place & (label.classes[:, None] != label.classes[None])).any(axis=1))


def _objects(number: int) -> str:
    return "one object" if number == 1 else f"{number} objects"
