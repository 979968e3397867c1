"""From an image as stored to what the network sees."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from limner.plugin import FloatArray, Image, UnsuitableInput
from limner_apps.instances.plan import Plan
from limner_apps.instances.survey import check_image
from limner_apps.learning.images import is_colour_for_grey, luminance

_SAMPLED = 4_000_000
"""Pixels looked at for an image's range."""
_PERCENTILES = (0.1, 99.9)
"""What is darker or brighter is clipped; one small bright object in an image must stay."""
DARKEST, BRIGHTEST = -1.0, 3.0
"""Where an image's range is brought to, whatever its exposure."""


def preprocess(image: Image, plan: Plan, who: str) -> FloatArray:
    """Scale an image's intensities and enlarge it; the caller's array is left alone.

    Returns:
        (channels, rows, columns) float32 from `DARKEST` to `BRIGHTEST`, of the plan's zoom.

    Raises:
        UnsuitableInput: The plan is for other images.
    """
    check_image(image, who)
    is_grey_in_colour = plan.colour and image.channels == 1
    is_reduced = is_colour_for_grey(image, plan.channels)
    if image.channels != plan.channels and not (is_grey_in_colour or is_reduced):
        raise UnsuitableInput(
            f"{who}: the model was trained on {plan.channels} channels, this image has "
            f"{image.channels}; give the same channels in the same order."
        )
    array = np.array(image.array, dtype=np.float32, order="C")
    if is_reduced:
        array = luminance(array)
    if plan.colour:
        _scale(array)
    else:
        for channel in array:
            _scale(channel)
    shape = zoomed_shape(image.shape, plan.zoom)
    if shape != tuple(image.shape):
        array = functional.interpolate(
            torch.from_numpy(array)[None],
            size=shape,
            mode="bilinear",
            align_corners=False,
            antialias=plan.zoom < 1.0,
        )[0].numpy()
    return np.repeat(array, plan.channels, axis=0) if len(array) != plan.channels else array


def zoomed_shape(shape: tuple[int, ...], zoom: float) -> tuple[int, int]:
    """Return the rows and columns of an enlarged image."""
    return max(1, round(shape[0] * zoom)), max(1, round(shape[1] * zoom))


def _scale(values: FloatArray) -> None:
    """Clip and scale in place; a flat image becomes the darkest."""
    flat = values.reshape(-1)
    # Every n-th pixel of a large image: sorting all of it would cost seconds and a copy.
    low, high = np.percentile(flat[:: max(1, flat.size // _SAMPLED)], _PERCENTILES)
    spread = float(high) - float(low)
    np.clip(values, low, high, out=values)
    values -= low
    # A flat image has no spread, and nothing to tell by its intensities.
    if spread > 1e-8 * max(1.0, abs(float(high))):
        values *= (BRIGHTEST - DARKEST) / spread
    values += DARKEST
