"""Panoptic quality of objects against others, for figures that do not depend on the apps' own.

Kirillov et al. 2019, Panoptic Segmentation: found and known objects of a class match where they
overlap by more than half of their union. With TP matches, FP found objects without one and FN known
objects without one, PQ is the sum of the matches' overlaps over TP + FP / 2 + FN / 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limner.plugin import Instances, window

MATCH = 0.5
"""Intersection over union above which two objects are the same."""


def panoptic_quality(found: Instances, true: Instances) -> float:
    """Mean over the classes that occur in either, 1 where there is no object at all.

    An object of which only the box is known fills its box.

    Args:
        found: What a model says, of one image.
        true: What is known of it.
    """
    by_class = quality_by_class(found, true)
    return float(np.mean(list(by_class.values()))) if by_class else 1.0


def quality_by_class(found: Instances, true: Instances) -> dict[int, float]:
    """PQ of each class that occurs in either, by its value; see `panoptic_quality`."""
    values = np.union1d(found.classes, true.classes).tolist()
    return {value: _quality(found, true, value) for value in values}


def _quality(found: Instances, true: Instances, value: int) -> float:
    """PQ of one class that occurs."""
    ours = np.flatnonzero(found.classes == value).tolist()
    theirs = np.flatnonzero(true.classes == value).tolist()
    overlaps = np.array(
        [[overlap(found, row, true, column) for column in theirs] for row in ours], np.float64
    ).reshape(len(ours), len(theirs))
    matches = _matches(overlaps)
    return sum(matches) / (len(ours) / 2 + len(theirs) / 2)


def overlap(found: Instances, row: int, true: Instances, column: int) -> float:
    """Intersection over union of two objects' pixels."""
    first, second = window(found.boxes[row]), window(true.boxes[column])
    both = [
        slice(max(a.start, b.start), min(a.stop, b.stop))
        for a, b in zip(first, second, strict=True)
    ]
    if any(each.start >= each.stop for each in both):
        return 0.0
    ours, theirs = _mask(found, row), _mask(true, column)
    shared = int((_cut(ours, first, both) & _cut(theirs, second, both)).sum())
    union = int(ours.sum()) + int(theirs.sum()) - shared
    return shared / union if union else 0.0


def _matches(overlaps: npt.NDArray[np.float64]) -> list[float]:
    """Overlaps of the matches, one to one.

    Objects of a picture may overlap each other, so more than one can overlap the same one by over
    half: the better one matches.
    """
    left = overlaps.copy()
    found = []
    while left.size and (best := float(left.max())) > MATCH:
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        left[row, :] = left[:, column] = 0
        found.append(best)
    return found


def _mask(instances: Instances, row: int) -> npt.NDArray[np.bool_]:
    mask = instances.masks[row]
    if mask is not None:
        return mask
    return np.ones([each.stop - each.start for each in window(instances.boxes[row])], np.bool_)


def _cut(
    mask: npt.NDArray[np.bool_], place: Sequence[slice], wanted: Sequence[slice]
) -> npt.NDArray[np.bool_]:
    """Cut what lies at one place to a smaller one within."""
    return mask[
        tuple(
            slice(inner.start - outer.start, inner.stop - outer.start)
            for outer, inner in zip(place, wanted, strict=True)
        )
    ]
