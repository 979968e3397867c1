"""The temperature of a segmentation, measured on the voxels near the labels.

Far background would drown them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from limner.plugin import Case, LabelSchema, Stopped, Watch
from limner_apps.learning.temperature import fit_temperature
from limner_apps.segmentation.cache import CaseCache
from limner_apps.segmentation.inference import Inference
from limner_apps.segmentation.labelled import IGNORED
from limner_apps.segmentation.metrics import near_foreground
from limner_apps.segmentation.plan import Plan

_CASES = 12
_VOXELS = 20_000


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
        if (labels == IGNORED).all():
            continue
        part, truth = _near_labels(inference, np.array(image), np.array(labels), index)
        logits.append(part)
        truths.append(truth)
    return fit_temperature(torch.cat(logits), torch.cat(truths)) if logits else None


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
