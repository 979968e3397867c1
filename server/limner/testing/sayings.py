"""What an annotator may say of a phantom, and what cannot be said of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from limner.plugin import Image, Prompt, PromptKind
from limner.testing.drawing import frozen

Spoil: TypeAlias = Callable[[Prompt, Image], Prompt]

SAYINGS: Final[Mapping[str, PromptKind]] = {
    "a-point-of-the-class": PromptKind.POINTS,
    "a-point-not-of-the-class": PromptKind.POINTS,
    "points-of-both-kinds": PromptKind.POINTS,
    "boxes": PromptKind.BOXES,
    "a-scribble": PromptKind.SCRIBBLES,
}
"""What an annotator may say of a class, with the kind of prompt that it is."""

_POINTS: Final[Mapping[str, Sequence[bool]]] = {
    "a-point-of-the-class": (True,),
    "a-point-not-of-the-class": (False,),
    "points-of-both-kinds": (True, False),
}


def prompt_of(image: Image, sayings: Iterable[str], value: int, place: float = 0.5) -> Prompt:
    """Say something of an image.

    Args:
        image: The image.
        sayings: Of `SAYINGS`.
        value: Class that it is about.
        place: Where in the image, in (0, 1) along the first axis.
    """
    shape = np.array(image.shape)
    middle = np.concatenate([[int(shape[0] * place)], shape[1:] // 2])
    clicked = [each for saying in sayings for each in _POINTS.get(saying, ())]
    # A point of the class is in the middle, one not of it is the image's very last voxel.
    points = np.array([middle if each else shape - 1 for each in clicked]).reshape(-1, len(shape))
    has_boxes = "boxes" in sayings
    box = np.concatenate([middle // 2, middle + 1])
    corner = np.concatenate([shape - 2, shape])
    boxes = np.stack([box, corner])[: None if has_boxes else 0]
    return Prompt(
        points=frozen(points.astype(np.float32)),
        positive=frozen(np.array(clicked, np.bool_)),
        boxes=frozen(boxes.astype(np.float32)),
        scribble=_scribble(image, int(middle[0])) if "a-scribble" in sayings else None,
        value=value,
    )


def prompt_arrays(prompt: Prompt) -> dict[str, npt.NDArray[Any]]:
    """Return every array of a prompt, by name; what is None is left out."""
    arrays = {name: getattr(prompt, name) for name in ("points", "positive", "boxes", "scribble")}
    return {name: array for name, array in arrays.items() if array is not None}


def _scribble(image: Image, row: int) -> npt.NDArray[np.uint8]:
    scribble = np.zeros(image.shape, np.uint8)
    scribble[row] = 1
    scribble[-1] = 2
    return frozen(scribble)


def _moved(points: Callable[[Image], Sequence[int]]) -> Spoil:
    def spoil(prompt: Prompt, image: Image) -> Prompt:
        moved = np.array([points(image)], np.float32)
        return dataclasses.replace(prompt, points=moved, positive=np.array([True]))

    return spoil


def _wide(prompt: Prompt, image: Image) -> Prompt:
    box = np.array([[*(0 for _ in image.shape), *(size + 1 for size in image.shape)]], np.float32)
    return dataclasses.replace(prompt, boxes=box)


def _short(prompt: Prompt, image: Image) -> Prompt:
    scribble = np.ones((image.shape[0] - 1, *image.shape[1:]), np.uint8)
    return dataclasses.replace(prompt, scribble=scribble)


MISFITS: Final[Mapping[str, tuple[PromptKind, Spoil]]] = {
    "a-point-past-the-end": (PromptKind.POINTS, _moved(lambda image: image.shape)),
    "a-point-before-the-start": (PromptKind.POINTS, _moved(lambda image: [-1] * len(image.shape))),
    "a-point-of-other-axes": (
        PromptKind.POINTS,
        _moved(lambda image: [0] * (len(image.shape) + 1)),
    ),
    "a-box-past-the-end": (PromptKind.BOXES, _wide),
    "a-scribble-of-another-shape": (PromptKind.SCRIBBLES, _short),
}
"""What does not lie on an image, with the kind of prompt that it is."""
