"""From an image as stored to what the network sees.

An image is fitted into the plan's shape: scaled until it touches two sides, with the aspect that it
has in millimetres, and placed in the middle; its rim is repeated where it does not reach. Then its
intensities become of about zero mean and unit spread. Where they mean the same in all images, as in
8-bit pictures and computed tomography, the data set's mean and spread are taken, so a dark image
stays dark; elsewhere the image's own, so neither dtype nor scale of a scanner matters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from limner.plugin import FloatArray, Image, UnsuitableInput
from limner_apps.classification.plan import Plan
from limner_apps.learning.images import (
    check_image,
    clip_and_scale,
    is_colour_for_grey,
    luminance,
    standardise,
)

_LARGEST = 1e30
"""Larger intensities would overflow on their way."""


def preprocess(image: Image, plan: Plan, who: str) -> FloatArray:
    """Fit and normalise an image; the caller's array is left alone.

    Returns:
        (channels, *plan.shape) float32.

    Raises:
        UnsuitableInput: The plan is for other images.
    """
    check_image(image, who)
    if len(image.shape) != plan.axes:
        raise UnsuitableInput(
            f"{who}: the model was trained on images with {plan.axes} spatial axes, this one has "
            f"{len(image.shape)} (shape {tuple(image.shape)}); give it "
            f"{'pictures' if plan.axes == 2 else 'volumes'}."
        )
    is_grey_in_colour = plan.axes == 2 and plan.channels == 3 and image.channels == 1
    is_reduced = is_colour_for_grey(image, plan.channels)
    if image.channels != plan.channels and not (is_grey_in_colour or is_reduced):
        raise UnsuitableInput(
            f"{who}: the model was trained on {plan.channels} channels, this image has "
            f"{image.channels}; give the same channels in the same order."
        )
    array = luminance(_as_float(image)) if is_reduced else _as_float(image)
    fitted = fit(torch.from_numpy(array), image.spacing, plan.shape).numpy()
    _normalise(fitted, plan, image)
    return np.repeat(fitted, plan.channels, axis=0) if is_grey_in_colour else fitted


def _as_float(image: Image) -> FloatArray:
    """Copy to float32, without what would overflow on the way."""
    if image.array.dtype.kind == "f":
        bounded: FloatArray = np.clip(image.array, -_LARGEST, _LARGEST).astype(np.float32)
        return bounded
    return np.array(image.array, dtype=np.float32)


def _normalise(array: FloatArray, plan: Plan, image: Image) -> None:
    """Clip and scale in place."""
    if plan.intensity == "channel":
        for channel in array:
            standardise(channel)
    elif plan.intensity == "image" or not _means_the_same(array, plan, image):
        standardise(array)
    else:
        clip_and_scale(array, plan.bounds, plan.mean, plan.deviation)


def _means_the_same(array: FloatArray, plan: Plan, image: Image) -> bool:
    """Tell whether an image's intensities are of the kind that the plan was made for."""
    if plan.intensity == "ct":
        return image.modality.upper() == "CT"
    low, high = float(array.min()), float(array.max())
    # 8-bit values stored in a wider type are still 8-bit; shares from 0 to 1 are not.
    return image.array.dtype == np.uint8 or (low >= 0.0 and 1.0 < high <= 255.0)


def fitted_shape(
    shape: Sequence[int], spacing: Sequence[float], into: Sequence[int]
) -> tuple[int, ...]:
    """Return the size that an image has inside a canvas of cubic pixels, its aspect kept."""
    extent = [n * s for n, s in zip(shape, spacing, strict=True)]
    scale = min(size / length for size, length in zip(into, extent, strict=True))
    return tuple(
        min(size, max(1, round(length * scale))) for size, length in zip(into, extent, strict=True)
    )


def margins(inside: Sequence[int], into: Sequence[int]) -> list[tuple[int, int]]:
    """Return the padding before and after along each axis that centres an image in a canvas."""
    return [
        ((size - n) // 2, size - n - (size - n) // 2) for n, size in zip(inside, into, strict=True)
    ]


def fit(values: Tensor, spacing: Sequence[float], into: Sequence[int]) -> Tensor:
    """Scale (channels, *spatial) into a canvas and repeat its rim; see the module."""
    inside = fitted_shape(values.shape[1:], spacing, into)
    scaled = resize(values, inside)
    amounts: list[int] = []
    for before, after in reversed(margins(inside, into)):
        amounts += [before, after]
    # A copy in any case: the result is changed in place.
    return functional.pad(scaled[None], amounts, mode="replicate")[0].clone()


def resize(values: Tensor, shape: Sequence[int]) -> Tensor:
    """Average (channels, *spatial) over what falls together, interpolate what is drawn apart."""
    if tuple(values.shape[1:]) == tuple(shape):
        return values
    smaller = [min(n, wanted) for n, wanted in zip(values.shape[1:], shape, strict=True)]
    # Plain interpolation skips pixels when it shrinks, and fine textures turn into patterns.
    averaged = functional.interpolate(values[None], size=smaller, mode="area")
    mode = "bilinear" if len(smaller) == 2 else "trilinear"
    return functional.interpolate(averaged, size=list(shape), mode=mode, align_corners=False)[0]


def unfit(values: Tensor, shape: Sequence[int], spacing: Sequence[float]) -> Tensor:
    """Return a map over the canvas (*canvas) as one over the image (*shape) it was fitted from."""
    into = values.shape
    inside = fitted_shape(shape, spacing, into)
    for axis, ((before, _), size) in enumerate(zip(margins(inside, into), inside, strict=True)):
        values = values.narrow(axis, before, size)
    mode = "bilinear" if values.dim() == 2 else "trilinear"
    return functional.interpolate(
        values[None, None], size=list(shape), mode=mode, align_corners=False
    )[0, 0]
