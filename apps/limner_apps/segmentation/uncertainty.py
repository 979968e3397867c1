"""From class probabilities to the numbers that a strategy ranks images by. Numpy only.

Voxel maps (`p` the probabilities, `K` classes with background):

- entropy `H(p) / ln K`, with `0 · ln 0 = 0` (Settles 2009, section 3.1);
- least confidence `(1 - max p) · K / (K - 1)` (Lewis and Gale 1994);
- margin `1 - (p(1) - p(2))`, of the two largest (Scheffer et al. 2001).

A map becomes one number in two ways, averaged. The *patch maximum* is the largest mean in any box
of a fixed size: it finds a region that the model does not understand, an object it missed included,
and is not diluted by a large background. The *foreground mean* is over the predicted foreground,
dilated by a few voxels: it does not grow with the object's size. The mean over the whole image does
both, and is not used (nnActive, Lüth et al. 2025; Zenk et al. 2025).

Every number is in [0, 1], and 0 where the model is certain everywhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray

SCORES = ("entropy", "margin", "least_confidence")
"""The voxel maps that are aggregated, in the order of `voxel_maps`."""

_REACH = 2
"""Voxels by which the predicted foreground is dilated."""


def voxel_maps(probabilities: FloatArray) -> FloatArray:
    """Return the three maps, (3, *spatial) in [0, 1], of probabilities (K, *spatial)."""
    count = probabilities.shape[0]
    p = np.clip(probabilities, 0.0, 1.0)
    entropy = -(p * np.log(np.maximum(p, 1e-12))).sum(axis=0) / np.log(count)
    largest = np.partition(p, count - 2, axis=0)[-2:]
    margin = 1.0 - (largest[1] - largest[0])
    least = (1.0 - largest[1]) * (count / (count - 1))
    maps: FloatArray = np.clip(np.stack([entropy, margin, least]), 0.0, 1.0).astype(np.float32)
    return maps


def box_sums(values: npt.NDArray[Any], size: Sequence[int]) -> npt.NDArray[np.float64]:
    """Sum over every box that lies inside the array.

    Args:
        values: (*spatial).
        size: The box along each axis; at most the array's.

    Returns:
        (n - size + 1) along each axis.
    """
    sums = values.astype(np.float64)
    for axis, length in enumerate(size):
        sums = np.cumsum(sums, axis=axis)
        first = np.take(sums, [length - 1], axis=axis)
        after = np.take(sums, range(length, sums.shape[axis]), axis=axis)
        before = np.take(sums, range(sums.shape[axis] - length), axis=axis)
        sums = np.concatenate([first, after - before], axis=axis)
    return sums


def patch_maximum(values: npt.NDArray[Any], size: Sequence[int]) -> float:
    """Return the largest mean over a box; boxes larger than the array are cut to it."""
    box = [min(length, have) for length, have in zip(size, values.shape, strict=True)]
    # The share of the box that the array fills counts: what lies outside is certain.
    wanted = float(np.prod(np.asarray(size, dtype=np.float64)))
    return float(np.clip(box_sums(values, box).max() / wanted, 0.0, 1.0))


def dilate(foreground: npt.NDArray[np.bool_], reach: int) -> npt.NDArray[np.bool_]:
    """Grow a region by a box of `2 · reach + 1`."""
    grown = np.pad(foreground, reach)
    return box_sums(grown, [2 * reach + 1] * foreground.ndim) > 0.5


def foreground_mean(values: npt.NDArray[Any], foreground: npt.NDArray[np.bool_]) -> float | None:
    """Return the mean over the dilated foreground; None when there is no foreground."""
    if not foreground.any():
        return None
    return float(np.clip(values[dilate(foreground, _REACH)].mean(), 0.0, 1.0))


def aggregate(
    values: npt.NDArray[Any], foreground: npt.NDArray[np.bool_], patch: Sequence[int]
) -> float:
    """Return the mean of patch maximum and foreground mean; the former when nothing is found.

    Args:
        values: (*spatial) in [0, 1].
        foreground: (*spatial), where a class is predicted.
        patch: The box of the patch maximum, in voxels.
    """
    peak = patch_maximum(values, patch)
    mean = foreground_mean(values, foreground)
    return peak if mean is None else 0.5 * (peak + mean)


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
