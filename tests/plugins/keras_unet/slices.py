"""Images and labels as stacks of 2D slices: what the network sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from limner.plugin import Case, FloatArray, Image, LabelSchema, Mask, UnsuitableInput

GRAIN = 4
"""Sides that the network sees are multiples of this: it halves them twice."""

_FURTHEST = 5.0
"""Deviations from the mean beyond which a grey value tells nothing more."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One case, cut."""

    slices: FloatArray
    """(slices, rows, columns, channels), mean 0 and deviation 1 over the image."""
    classes: npt.NDArray[np.int32]
    """(slices, rows, columns), places in the schema, 0 for background."""


def slice_axis(spacing: Sequence[float]) -> int:
    """Say across which axis a volume is cut: that of the widest spacing, of equal ones the last."""
    return max(range(len(spacing)), key=lambda axis: (spacing[axis], axis))


def slices_of(image: Image) -> FloatArray:
    """Cut an image into (slices, rows, columns, channels); a picture is one slice.

    Raises:
        UnsuitableInput: It has an impossible number of axes, or an axis of length 0.
    """
    if len(image.shape) not in (2, 3) or image.array.size == 0:
        raise UnsuitableInput(
            f"Image {image.name!r} has shape {image.shape}; this app takes 2 or 3 axes that are "
            "not empty."
        )
    grey = image.array.astype(np.float32)
    axes = tuple(range(1, grey.ndim))
    grey -= grey.mean(axis=axes, keepdims=True)
    grey = np.clip(grey / (grey.std(axis=axes, keepdims=True) + 1e-6), -_FURTHEST, _FURTHEST)
    stack = grey[:, None] if grey.ndim == 3 else np.moveaxis(grey, 1 + slice_axis(image.spacing), 1)
    return np.ascontiguousarray(np.moveaxis(stack, 0, -1), dtype=np.float32)


def restacked(slices: FloatArray, image: Image) -> FloatArray:
    """Put (slices, rows, columns, n) back as (n, *spatial) of the image that was cut."""
    stack = np.moveaxis(slices, -1, 0)
    whole = (
        stack[:, 0]
        if len(image.shape) == 2
        else np.moveaxis(stack, 1, 1 + slice_axis(image.spacing))
    )
    return np.ascontiguousarray(whole, dtype=np.float32)


def read_labelled(case: Case, schema: LabelSchema, channels: int | None) -> Labelled:
    """Read and cut a case.

    Args:
        case: What to read.
        schema: The classes that its label may hold.
        channels: How many the cases before it have; None for the first.

    Raises:
        UnsuitableInput: It cannot be learnt from; the message names it.
    """
    image = case.load_image()
    if channels is not None and image.channels != channels:
        raise UnsuitableInput(
            f"Case {case.id} has {image.channels} channels, others have {channels}; a model takes "
            "one number of channels."
        )
    classes = read_classes(case, image, schema)
    is_flat = classes.ndim == 2
    cut = classes[None] if is_flat else np.moveaxis(classes, slice_axis(image.spacing), 0)
    return Labelled(slices_of(image), np.ascontiguousarray(cut))


def read_classes(case: Case, image: Image, schema: LabelSchema) -> npt.NDArray[np.int32]:
    """Read a case's label as places in the schema (*spatial).

    Raises:
        UnsuitableInput: It does not fit the image or the schema; the message names the case.
    """
    label = case.load_label()
    if not isinstance(label, Mask) or label.array.shape != image.shape:
        raise UnsuitableInput(f"The label of case {case.id} is no mask of shape {image.shape}.")
    unknown = sorted(set(np.unique(label.array).tolist()) - set(schema.values))
    if unknown:
        raise UnsuitableInput(
            f"The label of case {case.id} holds {unknown}; the schema has {schema.values}."
        )
    return np.searchsorted(schema.values, label.array).astype(np.int32)


def fitted(array: npt.NDArray[np.generic], rows: int, columns: int) -> npt.NDArray[np.generic]:
    """Cut or pad the second and third axis around their middle, with what is at the edge."""
    for axis, wanted in ((1, rows), (2, columns)):
        over = array.shape[axis] - wanted
        if over > 0:
            array = array.take(range(over // 2, over // 2 + wanted), axis=axis)
        elif over < 0:
            widths = [(0, 0)] * array.ndim
            widths[axis] = (-over // 2, -over - (-over // 2))
            array = np.pad(array, widths, mode="edge")
    return array


def grained(side: int) -> int:
    """Round a side up to what the network can halve."""
    return -(-side // GRAIN) * GRAIN
