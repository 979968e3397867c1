"""From an image as stored to what the network sees, and from labels to class indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from limner.plugin import FloatArray, Image, LabelSchema, UnsuitableInput
from limner_apps.learning.images import (
    check_image,
    clip_and_scale,
    is_colour_for_grey,
    luminance,
    standardise,
)
from limner_apps.segmentation.plan import Plan

_NEAR = 0.05
"""Spacings closer than this share are left as they are."""


def preprocess(image: Image, plan: Plan, who: str) -> FloatArray:
    """Normalise and resample an image; the caller's array is left alone.

    Returns:
        (channels, *spatial) float32 at the plan's spacing, its own where that is near.

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
    array = np.array(image.array, dtype=np.float32, order="C")
    if is_colour_for_grey(image, plan.channels):
        array = luminance(array)
    elif image.channels != plan.channels:
        if plan.intensity != "colour" or image.channels != 1:
            raise UnsuitableInput(
                f"{who}: the model was trained on {plan.channels} channels, this image has "
                f"{image.channels}; give the same channels in the same order."
            )
        array = np.repeat(array, plan.channels, axis=0)
    _normalise(array, plan)
    shape = target_shape(image.shape, image.spacing, plan)
    if shape == tuple(image.shape):
        return array
    return resize(torch.from_numpy(array), shape).numpy()


def target_shape(shape: Sequence[int], spacing: Sequence[float], plan: Plan) -> tuple[int, ...]:
    """Return the shape after resampling; the same shape when the spacing is near the plan's."""
    if all(abs(s / t - 1.0) <= _NEAR for s, t in zip(spacing, plan.spacing, strict=True)):
        return tuple(shape)
    return tuple(
        max(1, round(n * s / t)) for n, s, t in zip(shape, spacing, plan.spacing, strict=True)
    )


def _normalise(array: FloatArray, plan: Plan) -> None:
    """Clip and scale in place."""
    if plan.intensity == "ct":
        for channel, (low, high), (mean, deviation) in zip(
            array, plan.clip, plan.scale, strict=True
        ):
            clip_and_scale(channel, (low, high), mean, deviation)
    elif plan.intensity == "colour":
        standardise(array)
    else:
        for channel in array:
            standardise(channel)


def resize(values: Tensor, shape: Sequence[int]) -> Tensor:
    """Interpolate (channels, *spatial) linearly to a new spatial shape of the same extent."""
    for axis, size in enumerate(shape, start=1):
        values = resize_axis(values, axis, size, (0, size), offset=0, length=values.shape[axis])
    return values


def source_range(rows: tuple[int, int], size: int, length: int) -> tuple[int, int]:
    """Return which of `length` source rows are needed for `rows` of `size` resized ones."""
    if size == length:
        return rows
    first, last = _coordinates((rows[0], rows[1]), size, length)[[0, -1]]
    return int(np.floor(first)), min(length, int(np.floor(last)) + 2)


def resize_axis(
    values: Tensor, axis: int, size: int, rows: tuple[int, int], *, offset: int, length: int
) -> Tensor:
    """Interpolate along one axis, some rows only.

    Args:
        values: The source rows from `offset` on, along `axis`.
        axis: The axis.
        size: Rows of the whole result.
        rows: First, and one past the last, row wanted.
        offset: Which source row `values` starts with.
        length: Rows of the whole source.
    """
    if size == length:
        return values.narrow(axis, rows[0] - offset, rows[1] - rows[0])
    where = _coordinates(rows, size, length)
    low = np.floor(where).astype(np.int64)
    high = np.minimum(low + 1, length - 1)
    weight = torch.from_numpy((where - low).astype(np.float32)).to(values.device)
    weight = weight.reshape(-1, *(1,) * (values.dim() - axis - 1))
    below = values.index_select(axis, torch.from_numpy(low - offset).to(values.device))
    above = values.index_select(axis, torch.from_numpy(high - offset).to(values.device))
    return below.lerp_(above, weight.expand_as(below))


def _coordinates(rows: tuple[int, int], size: int, length: int) -> npt.NDArray[np.float64]:
    """Return where result rows lie among source rows; both grids cover the same extent."""
    centres = (np.arange(rows[0], rows[1], dtype=np.float64) + 0.5) * (length / size) - 0.5
    return np.clip(centres, 0.0, length - 1.0)


def encode(mask: npt.NDArray[Any], schema: LabelSchema) -> npt.NDArray[np.uint16]:
    """Turn schema values into class indices: 0 background, `i` for `classes[i - 1]`.

    Raises:
        UnsuitableInput: The mask holds a value that the schema does not have.
    """
    table = np.full(int(max(schema.values)) + 1, -1, dtype=np.int64)
    table[list(schema.values)] = np.arange(len(schema.values))
    if mask.size and (int(mask.max()) >= len(table) or int(mask.min()) < 0):
        raise UnsuitableInput(
            f"The label holds {int(mask.max())}, which the schema does not have; its values are "
            f"{list(schema.values)}."
        )
    indices = table[mask.astype(np.int64)]
    if (indices < 0).any():
        strange = int(mask[indices < 0][0])
        raise UnsuitableInput(
            f"The label holds {strange}, which the schema does not have; its values are "
            f"{list(schema.values)}."
        )
    return indices.astype(np.uint16)


def resize_known_labels(
    labels: npt.NDArray[np.uint16], shape: Sequence[int], classes: int, ignored: int
) -> npt.NDArray[np.uint16]:
    """Resample class indices of which some are `ignored`: that is where most of a voxel is so.

    Some voxel stays labelled, however thin what is labelled.
    """
    unknown = labels == ignored
    if tuple(shape) == labels.shape or not unknown.any():
        return resize_labels(labels, shape, classes)
    answer = resize_labels(labels, shape, classes)
    share = resize(torch.from_numpy(unknown.astype(np.float32))[None], shape)[0].numpy()
    answer[share > max(0.5, float(share.min()))] = ignored
    return answer


def resize_labels(
    labels: npt.NDArray[np.uint16], shape: Sequence[int], classes: int
) -> npt.NDArray[np.uint16]:
    """Resample class indices: every class apart, linearly, then the strongest."""
    if tuple(shape) == labels.shape:
        return labels
    best = np.full(tuple(shape), -1.0, dtype=np.float32)
    answer = np.zeros(tuple(shape), dtype=np.uint16)
    for index in range(classes):
        share = torch.from_numpy((labels == index).astype(np.float32))[None]
        strength = resize(share, shape)[0].numpy()
        answer[strength > best] = index
        np.maximum(best, strength, out=best)
    return answer
