"""Panoptic quality, measured without the app."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from limner.plugin import Instances, IntArray, LabelSchema, window


def panoptic_quality(answer: Instances, truth: Instances, schema: LabelSchema) -> dict[str, float]:
    """Return PQ of each class that has an object in one of the two.

    PQ is the sum of IoU over matched pairs, over TP + FP / 2 + FN / 2. A pair matches when its IoU
    is above 0.5. Objects that overlap could match twice, so each is matched once, the best pair
    first.

    References:
        Kirillov et al. 2019, Panoptic Segmentation.
    """
    return {
        each.name: _quality_of_class(answer, truth, mine, theirs)
        for each in schema.classes
        if len(mine := np.flatnonzero(answer.classes == each.value))
        + len(theirs := np.flatnonzero(truth.classes == each.value))
    }


def _quality_of_class(
    answer: Instances, truth: Instances, mine: IntArray, theirs: IntArray
) -> float:
    overlaps = np.array([[mask_iou(answer, i, truth, j) for j in theirs] for i in mine])
    overlaps = overlaps.reshape(len(mine), len(theirs))
    total = 0.0
    while overlaps.size and overlaps.max() > 0.5:
        i, j = np.unravel_index(overlaps.argmax(), overlaps.shape)
        total += float(overlaps[i, j])
        overlaps[i, :] = overlaps[:, j] = 0
    return total / ((len(mine) + len(theirs)) / 2)  # TP + FP / 2 + FN / 2


def mask_iou(left: Instances, i: int, right: Instances, j: int) -> float:
    """Return the intersection over union of two objects; one known by its box fills it."""
    ours, theirs = filled(left, i), filled(right, j)
    one, two = window(left.boxes[i]), window(right.boxes[j])
    first = [max(a.start, b.start) for a, b in zip(one, two, strict=True)]
    last = [min(a.stop, b.stop) for a, b in zip(one, two, strict=True)]
    if any(low >= high for low, high in zip(first, last, strict=True)):
        return 0.0
    shared = [
        mask[
            tuple(
                slice(low - side.start, high - side.start)
                for low, high, side in zip(first, last, place, strict=True)
            )
        ]
        for mask, place in ((ours, one), (theirs, two))
    ]
    both = int((shared[0] & shared[1]).sum())
    return both / max(int(ours.sum()) + int(theirs.sum()) - both, 1)


def filled(instances: Instances, row: int) -> npt.NDArray[np.bool_]:
    """Return an object's mask, cut to its box; all of the box where only that is known."""
    mask = instances.masks[row]
    if mask is not None:
        return mask
    return np.ones([each.stop - each.start for each in window(instances.boxes[row])], np.bool_)
