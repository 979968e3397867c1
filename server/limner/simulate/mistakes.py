"""Labels with mistakes in them, and labels that belong to other images: seeded, pure.

Mistakes are those of a tired annotator: a wrong class, a contour that is off, an object missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from limner.plugin import (
    Answer,
    ClassScores,
    Instances,
    LabelSchema,
    Mask,
    Task,
    no_instances,
    window,
)
from limner.simulate.jitter import jittered

CONTOUR_VOXELS = 2.0
"""How far a contour is off, where it is: the standard deviation along every axis."""

WORDS = {
    Task.CLASSIFICATION: "of the labels name another class",
    Task.INSTANCES: "of the objects are missed",
    Task.SEGMENTATION: f"of the labels have contours that are off by {CONTOUR_VOXELS:g} voxels",
}
"""What a share of mistakes means, by task."""


def mistaken(
    answer: Answer, schema: LabelSchema, share: float, random: np.random.Generator
) -> Answer:
    """Return a label as a careless annotator gives it; the same one where nothing went wrong.

    Args:
        answer: The true label.
        schema: The classes.
        share: How often something goes wrong, in [0, 1]; see `WORDS`.
        random: Decides.
    """
    if isinstance(answer, Mask):
        if random.random() >= share:
            return answer
        return replace(answer, array=jittered(answer.array, CONTOUR_VOXELS, random))
    if isinstance(answer, Instances):
        kept = np.flatnonzero(random.random(len(answer.masks)) >= share)
        return answer if len(kept) == len(answer.masks) else _rows(answer, kept.tolist())
    wrong = random.random(len(schema.classes)) < share
    if not schema.exclusive:
        flipped = np.where(wrong, 1 - answer.probabilities, answer.probabilities)
        return ClassScores(probabilities=flipped.astype(np.float32))
    if not wrong[0] or len(schema.classes) < 2:
        return answer
    true = int(answer.probabilities.argmax())
    other = (true + int(random.integers(1, len(schema.classes)))) % len(schema.classes)
    return ClassScores(probabilities=np.eye(len(schema.classes), dtype=np.float32)[other])


def moved_to(answer: Answer, shape: Sequence[int]) -> Answer:
    """Return a label of one image as one of another shape: cut or filled up around its middle.

    Args:
        answer: Of any image with as many axes; a class label fits every image.
        shape: Spatial shape of the other image.
    """
    if isinstance(answer, Mask):
        array = np.zeros(tuple(shape), answer.array.dtype)
        mine, theirs = _overlap(answer.array.shape, shape)
        array[theirs] = answer.array[mine]
        return replace(answer, array=array)
    if isinstance(answer, Instances):
        return _inside(answer, shape)
    return answer


def _overlap(
    given: Sequence[int], wanted: Sequence[int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the common middle of two shapes, as places in each."""
    mine, theirs = [], []
    for have, want in zip(given, wanted, strict=True):
        common = min(have, want)
        mine.append(slice((have - common) // 2, (have - common) // 2 + common))
        theirs.append(slice((want - common) // 2, (want - common) // 2 + common))
    return tuple(mine), tuple(theirs)


def _inside(instances: Instances, shape: Sequence[int]) -> Instances:
    """Keep what of the objects lies inside a shape, from its first corner."""
    axes = len(shape)
    boxes, masks, rows = [], [], []
    for row, (box, mask) in enumerate(zip(instances.boxes, instances.masks, strict=True)):
        place = window(box)
        stops = [min(each.stop, size) for each, size in zip(place, shape, strict=True)]
        if any(stop <= each.start for each, stop in zip(place, stops, strict=True)):
            continue
        cut = tuple(slice(0, stop - each.start) for each, stop in zip(place, stops, strict=True))
        kept = None if mask is None else mask[cut]
        tight = _tight(kept) if kept is not None else tuple(cut)
        if tight is None:
            continue
        starts = [each.start + inner.start for each, inner in zip(place, tight, strict=True)]
        ends = [each.start + inner.stop for each, inner in zip(place, tight, strict=True)]
        boxes.append([*starts, *ends])
        masks.append(None if kept is None else kept[tight])
        rows.append(row)
    if not rows:
        return no_instances(axes)
    return Instances(
        boxes=np.array(boxes, np.float32),
        masks=tuple(masks),
        classes=instances.classes[rows],
        scores=instances.scores[rows],
    )


def _tight(mask: npt.NDArray[np.bool_]) -> tuple[slice, ...] | None:
    if not mask.any():
        return None
    places = np.nonzero(mask)
    return tuple(slice(int(each.min()), int(each.max()) + 1) for each in places)


def _rows(instances: Instances, rows: Sequence[int]) -> Instances:
    if not rows:
        return no_instances(instances.boxes.shape[1] // 2)
    return Instances(
        boxes=instances.boxes[list(rows)],
        masks=tuple(instances.masks[row] for row in rows),
        classes=instances.classes[list(rows)],
        scores=instances.scores[list(rows)],
    )
