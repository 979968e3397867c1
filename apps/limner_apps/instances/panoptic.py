"""Panoptic quality: one number for finding the objects and for outlining them.

Kirillov et al. 2019 (arXiv 1801.00868): the sum of the overlaps of the matched pairs over the mean
number of objects of both sides, which is segmentation quality times F1.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limner.plugin import Instances
from limner_apps.instances.overlap import touching_pairs


def class_qualities(
    predicted: Instances, truth: Instances, values: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Return panoptic quality for each class value; NaN where neither side has the class.

    A labelled object of which only the box is known is matched by its box.
    """
    answer = np.full(len(values), np.nan)
    for index, value in enumerate(values):
        ours, theirs = _of_class(predicted, value), _of_class(truth, value)
        total = len(ours.boxes) + len(theirs.boxes)
        if total:
            pairs = touching_pairs(ours.boxes, ours.masks, theirs.boxes, theirs.masks)
            answer[index] = 2.0 * sum(iou for _, _, iou in pairs.matched()) / total
    return answer


def image_quality(qualities: npt.NDArray[np.float64]) -> float:
    """Return the mean over the classes that are there; 1 where none is on either side."""
    there = qualities[~np.isnan(qualities)]
    return float(np.clip(there.mean(), 0.0, 1.0)) if len(there) else 1.0


def partition_disagreement(sampled: Sequence[Instances], values: Sequence[int]) -> float:
    """Return one less the mean pairwise panoptic quality of sampled answers.

    It is large where objects merge and split between samples. Fewer than two samples disagree by 0,
    and two without any object agree.
    """
    pairs = list(itertools.combinations(sampled, 2))
    if not pairs:
        return 0.0
    agreed = [image_quality(class_qualities(one, other, values)) for one, other in pairs]
    return float(np.clip(1.0 - np.mean(agreed), 0.0, 1.0))


def _of_class(instances: Instances, value: int) -> Instances:
    rows = np.flatnonzero(instances.classes == value)
    return Instances(
        boxes=instances.boxes[rows],
        masks=tuple(instances.masks[row] for row in rows),
        classes=instances.classes[rows],
        scores=instances.scores[rows],
    )
