"""Giving rare classes their weight: by how often cases are drawn, or by the loss.

With either, a network learns probabilities as if every class were equally frequent, so that the
likeliest class is the decision of the best balanced accuracy. That is wanted here: which images get
labelled is chosen by a strategy, so the frequencies among labels are not those of any population.
With `none` the probabilities follow the labels' frequencies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from limner.plugin import LabelSchema
from limner_apps.classification.batches import TrainingCase
from limner_apps.learning.new_labels import draw_shares

WAYS = ("sampling", "loss", "none")
"""Values of the option, `auto` left out."""

_HEAVIEST = 10.0
"""Largest weight of a class in the loss: a lone case must not drown all others."""
_UNEVEN = 1.5
"""Classes whose counts differ by less than this ratio need no weights."""
_ENOUGH = 10
"""Validation cases of each class from which ways can be compared."""


def usual_way(schema: LabelSchema) -> str:
    """Return what is done where nothing can be compared.

    Drawing has the steadier gradients where classes are exclusive. Where an image has several,
    drawing one class more often draws others along, and only the loss can weigh each by itself.
    """
    return "sampling" if schema.exclusive else "loss"


def is_comparable(
    train: npt.NDArray[np.uint8], validation: npt.NDArray[np.uint8], schema: LabelSchema
) -> bool:
    """Tell whether classes are uneven, and the validation cases enough to choose a way by.

    Args:
        train: (n, classes) labels, 0 and 1.
        validation: (m, classes) labels.
        schema: The project's classes.
    """
    counts = train.sum(axis=0, dtype=np.int64)
    kinds = counts[counts > 0] if schema.exclusive else _both(counts, len(train))
    if len(kinds) < 2 or kinds.max() < _UNEVEN * kinds.min():
        return False
    seen = validation.sum(axis=0, dtype=np.int64)[counts > 0]
    if not schema.exclusive:
        seen = _both(seen, len(validation))
    return bool((seen >= _ENOUGH).all())


def case_shares(cases: Sequence[TrainingCase], way: str) -> npt.NDArray[np.float64]:
    """Return how often each case is drawn, (n,) summing to one.

    A case belongs to the group of its rarest class, cases without any class to one of their own.
    With `sampling` every group is drawn equally often, else by its size. Inside a group new labels
    get half of the draws while they are fewer.
    """
    groups = _groups(np.stack([case.classes for case in cases]))
    is_new = np.array([case.is_new for case in cases], dtype=bool)
    shares = np.zeros(len(cases))
    names = np.unique(groups)
    for name in names:
        inside = groups == name
        mass = 1.0 / len(names) if way == "sampling" else float(inside.mean())
        shares[inside] = mass * draw_shares(is_new[inside])
    total: npt.NDArray[np.float64] = shares / shares.sum()
    return total


def class_weights(cases: Sequence[TrainingCase], way: str, schema: LabelSchema) -> Tensor | None:
    """Return (classes,) weights of the loss; None where it has none.

    For exclusive classes they are inverse to the counts, and one on average over the cases; else
    they are how much more an image that has the class counts than one without it.
    """
    if way != "loss":
        return None
    counts = np.stack([case.classes for case in cases]).sum(axis=0, dtype=np.float64)
    if schema.exclusive:
        present = counts > 0
        weights = np.ones(len(counts))
        weights[present] = len(cases) / (present.sum() * counts[present])
    else:
        weights = (len(cases) - counts) / np.maximum(counts, 1.0)
    return torch.from_numpy(np.clip(weights, 1.0 / _HEAVIEST, _HEAVIEST)).float()


def _both(counts: npt.NDArray[np.int64], total: int) -> npt.NDArray[np.int64]:
    """Count, for each class, images that have it and images that do not."""
    return np.concatenate([counts, total - counts])


def _groups(classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the index of each case's rarest class, -1 where it has none."""
    counts = classes.sum(axis=0, dtype=np.int64)
    rarity = np.where(classes > 0, counts, np.iinfo(np.int64).max)
    return np.where(classes.any(axis=1), rarity.argmin(axis=1), -1)
