"""Labels of instances that are valid, everyday, and easily got wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from limner.plugin import Instances
from limner.testing.instances.phantoms import labelled

Change: TypeAlias = Callable[[Instances, tuple[int, ...]], Instances]
"""Makes a label difficult; gets it with its image's shape."""


def boxes_alone(label: Instances, shape: tuple[int, ...]) -> Instances:
    """Forget all masks."""
    return dataclasses.replace(label, masks=(None,) * len(label.masks))


def some_boxes_alone(label: Instances, shape: tuple[int, ...]) -> Instances:
    """Forget the first mask."""
    return dataclasses.replace(label, masks=(None, *label.masks[1:]))


def one_pixel(label: Instances, shape: tuple[int, ...]) -> Instances:
    """Add an object of a single pixel, in the last corner."""
    corner = np.zeros(shape, np.bool_)
    corner[(-1,) * len(shape)] = True
    return _with(label, corner)


def in_two_parts(label: Instances, shape: tuple[int, ...]) -> Instances:
    """Add an object of two parts with a gap between them."""
    parts = np.zeros(shape, np.bool_)
    parts[(slice(1, 4),) * len(shape)] = True
    parts[(slice(-4, -1),) * len(shape)] = True
    return _with(label, parts)


def as_large_as_the_image(label: Instances, shape: tuple[int, ...]) -> Instances:
    """Add an object that covers the whole image, and all others with it."""
    return _with(label, np.ones(shape, np.bool_))


def told_twice(label: Instances, shape: tuple[int, ...]) -> Instances:
    """Add all objects again: each lies wholly on another."""
    return _together(label, label)


DIFFICULT: Final[Mapping[str, Change]] = {
    "boxes-alone": boxes_alone,
    "some-boxes-alone": some_boxes_alone,
    "one-pixel": one_pixel,
    "in-two-parts": in_two_parts,
    "as-large-as-the-image": as_large_as_the_image,
    "told-twice": told_twice,
}
"""Every difficulty by its name."""


def _with(label: Instances, mask: npt.NDArray[np.bool_]) -> Instances:
    """Add an object (*spatial) of the first one's class."""
    return _together(label, labelled([mask], [int(label.classes[0])], mask.ndim))


def _together(one: Instances, two: Instances) -> Instances:
    return Instances(
        boxes=np.concatenate([one.boxes, two.boxes]),
        masks=(*one.masks, *two.masks),
        classes=np.concatenate([one.classes, two.classes]),
        scores=np.concatenate([one.scores, two.scores]),
    )
