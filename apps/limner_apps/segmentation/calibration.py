"""One temperature for all logits, so that a probability means a frequency.

Guo et al. 2017 (arXiv 1706.04599): divide the logits by the temperature that makes held-out labels
likeliest. Measured on the voxels near the labels; far background would drown them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from limner.plugin import Case, LabelSchema, Stopped, Watch
from limner_apps.segmentation.cache import CaseCache
from limner_apps.segmentation.inference import Inference
from limner_apps.segmentation.metrics import near_foreground
from limner_apps.segmentation.plan import Plan

_CASES = 12
_VOXELS = 20_000
_RANGE = (0.25, 8.0)
_ROUNDS = 40


def calibrate(
    inference: Inference,
    plan: Plan,
    schema: LabelSchema,
    cases: Sequence[Case],
    cache: CaseCache,
    watch: Watch,
) -> float | None:
    """Fit the temperature on validation cases; None when there is no case.

    Raises:
        Stopped: The watch said so.
        UnsuitableInput: A case is not one the plan can take.
    """
    logits, truths = [], []
    for index, case in enumerate(cases[:_CASES]):
        if watch.should_stop():
            raise Stopped("The training was told to stop while it was being calibrated.")
        image, labels = cache.arrays(case, plan, schema)
        part, truth = _near_labels(inference, np.array(image), np.array(labels), index)
        logits.append(part)
        truths.append(truth)
    return fit_temperature(torch.cat(logits), torch.cat(truths)) if logits else None


def fit_temperature(logits: Tensor, truths: Tensor) -> float:
    """Return the temperature of the smallest negative log-likelihood.

    The likelihood has one peak in the inverse temperature, so a golden section finds it.

    Args:
        logits: (n, K) float32.
        truths: (n,) int64.
    """

    def likelihood(log_temperature: float) -> float:
        return float(functional.cross_entropy(logits / float(np.exp(log_temperature)), truths))

    golden = (np.sqrt(5.0) - 1.0) / 2.0
    low, high = np.log(_RANGE[0]), np.log(_RANGE[1])
    for _ in range(_ROUNDS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if likelihood(left) <= likelihood(right):
            high = right
        else:
            low = left
    return float(np.exp(0.5 * (low + high)))


def _near_labels(
    inference: Inference,
    image: npt.NDArray[np.float32],
    labels: npt.NDArray[np.uint16],
    index: int,
) -> tuple[Tensor, Tensor]:
    wanted = np.flatnonzero(near_foreground(labels))
    if len(wanted) > _VOXELS:
        wanted = np.sort(np.random.default_rng(index).choice(wanted, _VOXELS, replace=False))
    chosen = np.zeros(labels.shape, dtype=bool)
    chosen.reshape(-1)[wanted] = True
    parts: list[Tensor] = []
    truths: list[Tensor] = []

    def visit(axis: int, first: int, last: int, logits: Tensor) -> None:
        rows = (slice(None),) * axis + (slice(first, last),)
        inside = chosen[rows]
        parts.append(logits[:, torch.from_numpy(inside)].T)
        truths.append(torch.from_numpy(labels[rows][inside].astype(np.int64)))

    inference.run(image, labels.shape, visit)
    return torch.cat(parts), torch.cat(truths)
