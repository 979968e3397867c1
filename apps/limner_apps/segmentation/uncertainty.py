"""Voxel maps of uncertainty, from class probabilities. Numpy only.

Of one prediction (`p` the probabilities, `K` classes with background):

- entropy `H(p) / ln K`, with `0 · ln 0 = 0` (Settles 2009, section 3.1);
- least confidence `(1 - max p) · K / (K - 1)` (Lewis and Gale 1994);
- margin `1 - (p(1) - p(2))`, of the two largest (Scheffer et al. 2001).

Of sampled predictions, made with other features dropped or of the image altered:

- bald: the entropy of the mean less the mean of the entropies, over `ln K` (Houlsby et al. 2011):
  what the model does not know, without what the image does not tell;
- variation_ratio: the share of samples that do not answer what most do (Freeman 1965);
- variance: over the samples, summed over the classes;
- dice_disagreement: no map but one number, one less the mean pairwise Dice (Roy et al. 2019).

Every value is in [0, 1], and 0 where the model is certain. `aggregation` makes numbers of the maps.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray
from limner_apps.segmentation.aggregation import patch_maximum

SCORES = ("entropy", "margin", "least_confidence")
"""The voxel maps of one prediction, in the order of `voxel_maps`."""


def voxel_maps(probabilities: FloatArray) -> FloatArray:
    """Return the three maps, (3, *spatial) in [0, 1], of probabilities (K, *spatial)."""
    count = probabilities.shape[0]
    p = np.clip(probabilities, 0.0, 1.0)
    largest = np.partition(p, count - 2, axis=0)[-2:]
    margin = 1.0 - (largest[1] - largest[0])
    least = (1.0 - largest[1]) * (count / (count - 1))
    maps: FloatArray = np.clip(np.stack([entropy_map(p), margin, least]), 0.0, 1.0)
    return maps.astype(np.float32)


def entropy_map(p: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return `H(p) / ln K`, (*spatial), of probabilities (K, *spatial) in [0, 1]."""
    nats = -(p * np.log(np.maximum(p, 1e-12))).sum(axis=0)
    values: npt.NDArray[Any] = nats / np.log(p.shape[0])
    return values


class SampledMaps:
    """Maps of sampled predictions, added up one by one: memory does not grow with the samples."""

    def __init__(self, shape: Sequence[int]) -> None:
        """Begin; `shape` is that of the probabilities, (K, *spatial)."""
        self._count = 0
        self._sum = np.zeros(shape, dtype=np.float64)
        self._squares = np.zeros(shape, dtype=np.float64)
        self._votes = np.zeros(shape, dtype=np.float32)
        self._entropy = np.zeros(tuple(shape)[1:], dtype=np.float64)

    def add(self, probabilities: FloatArray) -> None:
        """Take in a sample, (K, *spatial) that sum to one."""
        p = np.clip(probabilities, 0.0, 1.0).astype(np.float64)
        self._count += 1
        self._sum += p
        self._squares += p * p
        self._entropy += entropy_map(p)
        winner = p.argmax(axis=0)[None]
        np.put_along_axis(
            self._votes, winner, np.take_along_axis(self._votes, winner, axis=0) + 1, axis=0
        )

    def maps(self) -> dict[str, FloatArray]:
        """Return `bald`, `variation_ratio` and `variance`, (*spatial) in [0, 1].

        At least one sample must have been taken in.
        """
        mean = self._sum / self._count
        found = {
            "bald": entropy_map(mean) - self._entropy / self._count,
            "variation_ratio": 1.0 - self._votes.max(axis=0) / self._count,
            "variance": (self._squares / self._count - mean * mean).sum(axis=0),
        }
        return {name: np.clip(each, 0.0, 1.0).astype(np.float32) for name, each in found.items()}


def class_scores(
    probabilities: FloatArray, entropy: FloatArray, patch: Sequence[int]
) -> FloatArray:
    """Return for each class, background left out, the patch maximum of `p_c · H` (ClaSP PE)."""
    scores = [patch_maximum(each * entropy, patch) for each in probabilities[1:]]
    return np.asarray(scores, dtype=np.float32)


def dice_disagreement(masks: Sequence[npt.NDArray[Any]], classes: int) -> float:
    """Return one less the mean pairwise Dice of sampled masks (Roy et al. 2019).

    Args:
        masks: Class indices, (*spatial) each; fewer than two disagree by 0.
        classes: Classes, background left out. Two masks without a class agree on it.
    """
    pairs = list(itertools.combinations(masks, 2))
    if not pairs:
        return 0.0
    scores = []
    for first, second in pairs:
        for index in range(1, classes + 1):
            a, b = first == index, second == index
            size = int(a.sum()) + int(b.sum())
            scores.append(1.0 if size == 0 else 2.0 * int((a & b).sum()) / size)
    return float(np.clip(1.0 - np.mean(scores), 0.0, 1.0))
