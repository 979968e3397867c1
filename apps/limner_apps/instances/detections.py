"""What the network finds in one image, before it becomes an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray, Instances, IntArray, LabelSchema, no_instances


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detections:
    """Objects found, unsure ones included."""

    boxes: FloatArray
    """(n, 4), (row, column) of the first corner and of the last, in pixels of the image."""
    masks: tuple[npt.NDArray[np.bool_], ...]
    """(n,), each of the shape of its box's window, and not empty."""
    probabilities: FloatArray
    """(n, 1 + classes), background first, summing to one."""
    objectness: float
    """Of the strongest proposal anywhere, in [0, 1], whether or not it became a detection."""

    @property
    def classes(self) -> IntArray:
        """(n,), indices of the likeliest class, from 1; background is no choice."""
        if not len(self.boxes):
            return np.zeros(0, np.int64)
        classes: IntArray = 1 + self.probabilities[:, 1:].argmax(axis=1).astype(np.int64)
        return classes

    @property
    def scores(self) -> FloatArray:
        """(n,), the probability of that class."""
        if not len(self.boxes):
            return np.zeros(0, np.float32)
        scores: FloatArray = np.clip(self.probabilities[:, 1:].max(axis=1), 0.0, 1.0)
        return scores

    def rows(self, chosen: Sequence[int] | npt.NDArray[np.int64]) -> Detections:
        """Return some of them, in the order given."""
        index = np.asarray(chosen, dtype=np.int64)
        return Detections(
            boxes=self.boxes[index],
            masks=tuple(self.masks[row] for row in index),
            probabilities=self.probabilities[index],
            objectness=self.objectness,
        )

    def answer(self, schema: LabelSchema, least: float) -> Instances:
        """Return what is at least so sure, with the schema's values, the surest first."""
        scores = self.scores
        order = np.argsort(-scores, kind="stable")
        order = order[scores[order] >= least]
        if not len(order):
            return no_instances(2)
        values = np.asarray(schema.values, dtype=np.int64)
        return Instances(
            boxes=np.array(self.boxes[order], dtype=np.float32),
            masks=tuple(self.masks[row] for row in order),
            classes=values[self.classes[order]],
            scores=scores[order],
        )


def no_detections(classes: int, objectness: float = 0.0) -> Detections:
    """Return what is found where there is nothing."""
    return Detections(
        boxes=np.zeros((0, 4), np.float32),
        masks=(),
        probabilities=np.zeros((0, 1 + classes), np.float32),
        objectness=objectness,
    )
