"""Varying a crop and its objects: turns, mirrors, exposure, stain and polarity. Numpy only.

Every draw comes from the generator given, so a seed decides all.
"""

from __future__ import annotations

import math

import numpy as np

from limner.plugin import FloatArray
from limner_apps.instances.crops import Target
from limner_apps.instances.overlap import BoxMask
from limner_apps.instances.preprocess import BRIGHTEST, DARKEST

SMALLEST_ZOOM, LARGEST_ZOOM = 0.75, 1.35
"""How much a crop may be enlarged beyond the plan's zoom."""
_GAMMA = 0.5
"""Largest logarithm of the exponent that intensities are bent by."""
_CONTRAST = (0.7, 1.3)
_BRIGHTNESS = 0.1
_STAIN = 0.1
"""Largest relative change of one colour channel against the others."""
_NOISE_SHARE = 0.3
_NOISE = 0.075
"""Largest standard deviation of noise, as a share of the image's range."""


def augment(
    image: FloatArray, target: Target, polarity: float, random: np.random.Generator
) -> tuple[FloatArray, Target]:
    """Vary a crop.

    Args:
        image: (channels, size, size), as `preprocess` scales it.
        target: Its objects.
        polarity: How often bright and dark change places.
        random: What decides.

    Returns:
        New ones, of the same shapes.
    """
    image = _shade(image, polarity, random)
    return turned(image, target, int(random.integers(4)), bool(random.random() < 0.5))


def turned(
    image: FloatArray, target: Target, quarters: int, mirrored: bool
) -> tuple[FloatArray, Target]:
    """Turn a square crop and its objects by quarters, counter-clockwise, then mirror columns."""
    size = image.shape[-1]
    image = np.rot90(image, quarters, axes=(1, 2))
    boxes = target.boxes
    for _ in range(quarters % 4):
        # A quarter: row becomes size - column, column becomes row.
        boxes = np.stack([size - boxes[:, 3], boxes[:, 0], size - boxes[:, 1], boxes[:, 2]], axis=1)
    masks: list[BoxMask] = [
        None if mask is None else np.rot90(mask, quarters) for mask in target.masks
    ]
    if mirrored:
        image = image[:, :, ::-1]
        boxes = np.stack([boxes[:, 0], size - boxes[:, 3], boxes[:, 2], size - boxes[:, 1]], axis=1)
        masks = [None if mask is None else mask[:, ::-1] for mask in masks]
    return np.ascontiguousarray(image), Target(
        boxes=boxes, masks=tuple(masks), classes=target.classes
    )


def _shade(image: FloatArray, polarity: float, random: np.random.Generator) -> FloatArray:
    share = (image - DARKEST) / (BRIGHTEST - DARKEST)
    if random.random() < polarity:
        share = 1.0 - share
    share = np.clip(share, 0.0, 1.0) ** math.exp(random.uniform(-_GAMMA, _GAMMA))
    share = share * random.uniform(*_CONTRAST) + random.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    if len(share) > 1:
        share *= random.uniform(1.0 - _STAIN, 1.0 + _STAIN, (len(share), 1, 1))
    if random.random() < _NOISE_SHARE:
        share += random.normal(0.0, random.uniform(0.0, _NOISE), share.shape)
    shaded: FloatArray = (share * (BRIGHTEST - DARKEST) + DARKEST).astype(np.float32)
    return shaded
