"""From what the network found to the numbers that a strategy ranks images by. Numpy only.

The objects looked at are all detections with a score of at least 0.05, the unsure ones included:
an object that is half seen tells more than one that is plain. Of a detection with the class
probabilities `p`, background among them, `K` in all:

- entropy `H(p) / ln K` (Settles 2009, section 3.1);
- least confidence `(1 - max p) · K / (K - 1)` (Lewis and Gale 1994);
- margin `1 - (p(1) - p(2))`, of the two largest (Scheffer et al. 2001).

An image's number is the mean of their mean and their largest (Roy et al. 2018 take one or the
other): the mean does not grow with the number of objects, and the largest finds the one that the
model does not understand.

Where nothing is found, the image is as unsure as its strongest proposal: the entropy of its
objectness, and certainly unsure where the proposal was likelier an object than not, because then
the two stages of the network contradict each other.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from limner.plugin import Description, FloatArray, Instances, LabelSchema, window
from limner_apps.instances.detections import Detections

SCORES = ("entropy", "margin", "least_confidence")


def detection_scores(probabilities: FloatArray) -> FloatArray:
    """Return the three numbers of each detection, (3, n) in [0, 1], of probabilities (n, K)."""
    count = probabilities.shape[1]
    p = np.clip(probabilities, 0.0, 1.0).astype(np.float64)
    entropy = -(p * np.log(np.maximum(p, 1e-12))).sum(axis=1) / np.log(count)
    largest = np.partition(p, count - 2, axis=1)[:, -2:]
    margin = 1.0 - (largest[:, 1] - largest[:, 0])
    least = (1.0 - largest[:, 1]) * (count / (count - 1))
    scores: FloatArray = np.clip(np.stack([entropy, margin, least]), 0.0, 1.0).astype(np.float32)
    return scores


def empty_score(objectness: float) -> float:
    """Return how unsure an image is in which nothing was found, in [0, 1]."""
    p = min(max(objectness, 0.0), 0.5)
    return 0.0 if p == 0.0 else float(-(p * math.log2(p) + (1.0 - p) * math.log2(1.0 - p)))


def describe(
    detections: Detections,
    answer: Instances,
    shape: tuple[int, ...],
    schema: LabelSchema,
    embedding: FloatArray,
    extra: dict[str, float],
) -> Description:
    """Summarise an image.

    Args:
        detections: All that was found.
        answer: What was answered.
        shape: Rows and columns of the image.
        schema: The project's classes.
        embedding: (d,).
        extra: Further scores.
    """
    scores = detection_scores(detections.probabilities)
    if scores.shape[1]:
        numbers = 0.5 * (scores.mean(axis=1) + scores.max(axis=1))
        by_class = (detections.probabilities[:, 1:] * scores[0][:, None]).max(axis=0)
    else:
        numbers = np.full(len(SCORES), empty_score(detections.objectness))
        by_class = np.zeros(len(schema.classes))
    return Description(
        scores={
            **{name: float(x) for name, x in zip(SCORES, numbers, strict=True)},
            "expected_instances": float(detections.scores.sum()),
            **extra,
        },
        class_scores=np.clip(by_class, 0.0, 1.0).astype(np.float32),
        class_fractions=_fractions(answer, shape, schema),
        embedding=embedding,
    )


def _fractions(answer: Instances, shape: tuple[int, ...], schema: LabelSchema) -> FloatArray:
    """Return the share of the image that each class covers, the surest object on top."""
    painted: npt.NDArray[np.int64] = np.zeros(shape, np.int64)
    for row in np.argsort(answer.scores, kind="stable"):
        mask = answer.masks[row]
        index = schema.values.index(int(answer.classes[row]))
        painted[window(answer.boxes[row])][... if mask is None else mask] = index
    counts = np.bincount(painted.reshape(-1), minlength=len(schema.values))
    fractions: FloatArray = (counts / counts.sum()).astype(np.float32)
    return fractions
