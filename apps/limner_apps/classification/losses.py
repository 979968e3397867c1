"""The loss: softmax cross-entropy for exclusive classes, else one binary cross-entropy a class."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

_SMOOTHING = 0.05
"""Share of every label that is spread over all answers (Szegedy et al. 2016, arXiv 1512.00567)."""


def classification_loss(
    logits: Tensor, classes: Tensor, weights: Tensor | None, exclusive: bool
) -> Tensor:
    """Return the mean loss of a batch.

    Args:
        logits: (batch, classes) float32.
        classes: (batch, classes) float32, 1 for the classes that an image has.
        weights: (classes,) as `imbalance.class_weights` makes them.
        exclusive: Whether every image has exactly one class.
    """
    if exclusive:
        return functional.cross_entropy(
            logits, classes.argmax(dim=1), weight=weights, label_smoothing=_SMOOTHING
        )
    smoothed = classes * (1.0 - _SMOOTHING) + 0.5 * _SMOOTHING
    return functional.binary_cross_entropy_with_logits(logits, smoothed, pos_weight=weights)
