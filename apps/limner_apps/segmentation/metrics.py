"""Figures of a prediction against a label."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.metrics import compute_dice, compute_hausdorff_distance

from limner.plugin import FloatArray
from limner_apps.segmentation.aggregation import dilate
from limner_apps.segmentation.labelled import IGNORED

_BINS = 15
_REACH = 3
"""Voxels around the label that calibration looks at: the rest is easy background."""


def class_dice(
    predicted: npt.NDArray[Any], truth: npt.NDArray[Any], classes: int
) -> npt.NDArray[np.float64]:
    """Return (classes,) Dice of class indices; NaN where a class is in neither."""
    hot = [_one_hot(each, classes) for each in (predicted, truth)]
    # MONAI has NaN where the truth is empty; a class predicted where none is scores 0.
    scores = compute_dice(hot[0], hot[1], include_background=True, ignore_empty=True)[0]
    answer: npt.NDArray[np.float64] = scores.double().numpy()
    for index in range(classes):
        if np.isnan(answer[index]) and bool((predicted == index + 1).any()):
            answer[index] = 0.0
    return answer


def case_dice(scores: npt.NDArray[np.float64]) -> float:
    """Return the mean over the classes that are there; 1 when none is."""
    there = scores[~np.isnan(scores)]
    return float(there.mean()) if len(there) else 1.0


def class_hd95(
    predicted: npt.NDArray[Any],
    truth: npt.NDArray[Any],
    classes: int,
    spacing: tuple[float, ...],
) -> npt.NDArray[np.float64]:
    """Return (classes,) 95th percentile Hausdorff distances in millimetres.

    NaN where a class is missing from the prediction or the truth: there is no surface to measure
    from.
    """
    answer = np.full(classes, np.nan)
    for index in range(classes):
        a, b = predicted == index + 1, truth == index + 1
        if not a.any() or not b.any():
            continue
        box = _bounding_box(a | b)
        pair = [torch.from_numpy(np.ascontiguousarray(each[box]))[None, None] for each in (a, b)]
        with warnings.catch_warnings():
            # MONAI 1.5 and 1.6 warn of an argument that their own code passes.
            warnings.simplefilter("ignore", FutureWarning)
            distance = compute_hausdorff_distance(
                pair[0].float(),
                pair[1].float(),
                include_background=True,
                percentile=95,
                spacing=list(spacing),
            )
        answer[index] = float(distance[0, 0])
    return answer


def near_foreground(truth: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return where calibration is measured: the dilated label; all that is labelled when empty."""
    known: npt.NDArray[np.bool_] = truth != IGNORED
    foreground = (truth > 0) & known
    return dilate(foreground, _REACH) & known if foreground.any() else known


def negative_log_likelihood(probabilities: FloatArray, truth: npt.NDArray[Any]) -> float:
    """Return the mean of -ln p of the true class over (K, n) probabilities."""
    picked = np.take_along_axis(probabilities, truth[None].astype(np.int64), axis=0)[0]
    return float(-np.log(np.maximum(picked, 1e-7)).mean())


def calibration_error(probabilities: FloatArray, truth: npt.NDArray[Any]) -> float:
    """Return the expected calibration error of (K, n) probabilities (Guo et al. 2017)."""
    confidence = probabilities.max(axis=0)
    correct = probabilities.argmax(axis=0) == truth
    bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    gaps = np.bincount(bins, weights=correct - confidence.astype(np.float64), minlength=_BINS)
    return float(np.abs(gaps).sum() / max(1, len(confidence)))


def _one_hot(indices: npt.NDArray[Any], classes: int) -> torch.Tensor:
    channels = [indices == index for index in range(1, classes + 1)]
    return torch.from_numpy(np.stack(channels)[None].astype(np.float32))


def _bounding_box(region: npt.NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the region's box with one voxel around, so that surfaces at its edge stay surfaces."""
    box = []
    for axis in range(region.ndim):
        others = tuple(each for each in range(region.ndim) if each != axis)
        rows = np.flatnonzero(region.any(axis=others))
        box.append(slice(max(0, int(rows[0]) - 1), int(rows[-1]) + 2))
    return tuple(box)
