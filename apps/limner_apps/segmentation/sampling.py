"""Sampled predictions of one image: with other features dropped, or of the image altered.

Dropped features ask what the model does not know (Gal and Ghahramani 2016); the same ones are
dropped all over an image. An altered image asks what depends on how it was taken (Wang et al. 2019,
Aleatoric uncertainty estimation with test-time augmentation): its intensities are scaled, shifted
and made noisy, and it is mirrored along the axes that training mirrors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor

from limner.plugin import FloatArray
from limner_apps.segmentation.inference import Inference
from limner_apps.segmentation.maps import block_means
from limner_apps.segmentation.uncertainty import SampledMaps, dice_disagreement

WAYS = ("dropout", "augmentation")

_GAIN, _SHIFT, _NOISE = 0.1, 0.1, 0.05
"""Standard deviations, of intensities that have a variance of 1."""


def altered(
    image: FloatArray, mirrored: Sequence[int], random: np.random.Generator
) -> tuple[FloatArray, tuple[int, ...]]:
    """Return an image as it might have been taken, and along which axes it is mirrored.

    Args:
        image: (channels, *spatial), normalised.
        mirrored: Spatial axes that may be mirrored.
        random: Decides.
    """
    gain, shift = 1.0 + _GAIN * random.standard_normal(), _SHIFT * random.standard_normal()
    noise = random.standard_normal(image.shape, dtype=np.float32)
    values = image * np.float32(gain) + np.float32(shift) + np.float32(_NOISE) * noise
    axes = tuple(axis for axis in mirrored if random.random() < 0.5)
    return np.ascontiguousarray(np.flip(values, tuple(1 + axis for axis in axes))), axes


def sampled(
    inference: Inference,
    image: FloatArray,
    shape: tuple[int, ...],
    classes: int,
    block: int,
    *,
    samples: int,
    way: str,
    mirrored: Sequence[int],
    temperature: float,
    seed: int,
    within: tuple[slice, ...],
) -> tuple[dict[str, FloatArray], float]:
    """Predict several times.

    Args:
        inference: The network.
        image: (channels, *spatial), preprocessed.
        shape: The image's spatial shape before it was resampled.
        classes: Classes, background left out.
        block: Voxels along each axis that make a cell of the maps.
        samples: How many predictions, at least 1.
        way: One of `WAYS`.
        mirrored: Spatial axes that training mirrors.
        temperature: Of the calibration.
        seed: Decides what is dropped or altered.
        within: The part of the image where the outlines are compared.

    Returns:
        Maps by name, of cells, as `SampledMaps` gives them; and the disagreement of the outlines.
    """
    cells = [-(-size // block) for size in shape]
    maps, masks = SampledMaps((1 + classes, *cells)), []
    # A mirrored grid of cells lies on the grid only where the last cell is whole.
    mirrored = [axis for axis in mirrored if shape[axis] % block == 0]
    try:
        for sample in range(samples):
            number = seed * 1_009 + sample
            view, axes = image, tuple[int, ...]()
            if way == "dropout":
                inference.draw_dropout(number)
            else:
                view, axes = altered(image, mirrored, np.random.default_rng(abs(number)))
            mask, probabilities = _predicted(
                inference, view, shape, (1 + classes, *cells), block, temperature
            )
            masks.append(np.flip(mask, axes)[within])
            maps.add(np.flip(probabilities, tuple(1 + axis for axis in axes)))
    finally:
        inference.draw_dropout(None)
    return maps.maps(), dice_disagreement(masks, classes)


def _predicted(
    inference: Inference,
    image: FloatArray,
    shape: tuple[int, ...],
    cells: tuple[int, ...],
    block: int,
    temperature: float,
) -> tuple[npt.NDArray[np.uint16], FloatArray]:
    """Return class indices, (*spatial), and probabilities, (K, *cells)."""
    mask = np.zeros(shape, dtype=np.uint16)
    probabilities = np.zeros(cells, dtype=np.float32)

    def visit(axis: int, first: int, last: int, logits: Tensor) -> None:
        before = (slice(None),) * axis
        mask[(*before, slice(first, last))] = logits.argmax(dim=0).numpy()
        rows = slice(first // block, -(-last // block))
        p: FloatArray = (logits / temperature).softmax(dim=0).numpy()
        probabilities[(slice(None), *before, rows)] = block_means(p, block)

    inference.run(image, shape, visit, block)
    return mask, probabilities
