"""What every image must be before a model can take it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray, Image, UnsuitableInput

_SAMPLED = 4_000_000
"""Voxels looked at for an image's statistics."""
_PERCENTILES = (0.5, 99.5)
_LUMINANCE = (0.299, 0.587, 0.114)
"""Shares of red, green and blue."""


def check_image(image: Image, who: str) -> None:
    """Refuse an image that no plan could take.

    Raises:
        UnsuitableInput: Wrong number of axes, an empty axis, a bad spacing or dtype.
    """
    axes = image.array.ndim - 1
    if axes not in (2, 3):
        raise UnsuitableInput(
            f"{who}: the image has {axes} spatial axes (array {image.array.shape}); give a "
            "picture (channels, rows, columns) or a volume (channels, i, j, k)."
        )
    if 0 in image.array.shape:
        raise UnsuitableInput(
            f"{who}: the image has an empty axis (array {image.array.shape}); give at least one "
            "channel and one voxel along every axis."
        )
    sound = all(np.isfinite(s) and s > 0 for s in image.spacing)
    if len(image.spacing) != axes or not sound:
        raise UnsuitableInput(
            f"{who}: the spacing {tuple(image.spacing)} is not one positive number for each of "
            f"{axes} axes; use 1.0 where it is unknown."
        )
    if image.array.dtype.kind not in "biuf":
        raise UnsuitableInput(
            f"{who}: the image holds {image.array.dtype}; give whole or real numbers."
        )


def check_alike(
    shape: tuple[int, ...], channels: int, first: tuple[tuple[int, ...], int], what: str
) -> None:
    """Check that a case goes together with the first one: pictures may mix grey and colour.

    Args:
        shape: The case's spatial shape.
        channels: Its channels.
        first: Spatial shape and channels of the first case.
        what: Names the case in the message.

    Raises:
        UnsuitableInput: It has other axes or channels.
    """
    if len(shape) != len(first[0]):
        raise UnsuitableInput(
            f"{what} has {len(shape)} axes, the first case {len(first[0])}: pictures and "
            "volumes do not mix; make a project for each."
        )
    both = {channels, first[1]}
    if len(both) > 1 and not (len(shape) == 2 and both == {1, 3}):
        raise UnsuitableInput(
            f"{what} has {channels} channels, the first case {first[1]}; give every "
            "image the same channels."
        )


def standardise(values: FloatArray) -> None:
    """Clip to the percentiles 0.5 and 99.5, then shift and scale to zero mean and unit spread.

    In place. A flat image, which has no spread, becomes all zero.
    """
    flat = values.reshape(-1)
    # Every n-th voxel of a large image: sorting all of it would cost seconds and a copy.
    seen = flat[:: max(1, flat.size // _SAMPLED)]
    low, high = np.percentile(seen, _PERCENTILES)
    inside = np.clip(seen, low, high).astype(np.float64)
    clip_and_scale(values, (float(low), float(high)), float(inside.mean()), float(inside.std()))


def clip_and_scale(
    values: npt.NDArray[Any], bounds: tuple[float, float], mean: float, deviation: float
) -> None:
    """Clip to bounds, then subtract a mean and divide by a deviation, in place."""
    np.clip(values, *bounds, out=values)
    values -= mean
    # A flat image has no spread, and nothing to tell by its intensities.
    values /= deviation if deviation > 1e-8 * max(1.0, abs(mean)) else 1.0


def is_colour_for_grey(image: Image, channels: int) -> bool:
    """Tell whether a colour picture comes to a model that has learnt from grey ones.

    Whether the first labels are grey or coloured is chance where a project has both, so a model of
    grey pictures takes the others by their luminance.
    """
    return channels == 1 and image.channels == 3 and len(image.shape) == 2


def luminance(array: FloatArray) -> FloatArray:
    """Return the luminance (1, rows, columns) of red, green and blue (ITU-R BT.601)."""
    grey: FloatArray = np.tensordot(np.array(_LUMINANCE, np.float32), array, axes=1)[None]
    return grey
