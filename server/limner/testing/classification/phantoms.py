"""Textures, drawn from a seed: images to sort.

Each class is a wave with a length and a brightness of its own, more or less along the diagonal,
under a little noise. An image of several classes has all their waves; one of none has only noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from limner.plugin import Affine, ClassScores, Image, LabelClass, LabelSchema
from limner.testing.drawing import Phantom, frozen, stored_image, with_contrast

SCHEMA: Final = LabelSchema(
    classes=(LabelClass(name="coarse", value=4), LabelClass(name="fine", value=9))
)
"""Two classes, one of which every image has, whose values are not their places."""

SEVERAL: Final = LabelSchema(classes=SCHEMA.classes, exclusive=False)
"""The same classes where an image may have both, or none."""

SHAPES: Final = {2: (48, 40), 3: (24, 28, 20)}
"""Usual size of a phantom, by its number of axes."""

_LONGEST, _SHORTEST = 14.0, 4.0
"""Length of the first and of the last class's wave, in pixels."""

_TURN = 0.3
"""How far a wave turns away from the diagonal."""

_DARKEST, _STEP, _HEIGHT = 90.0, 18.0, 30.0
"""Mean intensity without a class, what each class adds to it, and how high its waves are."""


def draw_texture(
    shape: Sequence[int],
    seed: int,
    *,
    schema: LabelSchema = SCHEMA,
    channels: int = 1,
    spacing: Sequence[float] | None = None,
    affine: Affine | None = None,
    present: int | None = None,
) -> Phantom[ClassScores]:
    """Draw one phantom of a classification.

    Args:
        shape: Spatial shape, two or three axes.
        seed: Decides direction, phase and noise; and, counting upwards, takes every class in turn,
            or every combination of classes where a schema is not exclusive.
        schema: The classes, from the longest wave to the shortest.
        channels: Channels; every other one has its contrast inverted.
        spacing: Millimetres along each axis; 1.0 where not given.
        affine: Voxel to millimetres; a plain one from the spacing for a volume if not given.
        present: How many classes may occur, counted from the first; None for all. An image of an
            exclusive schema has one all the same.
    """
    random = np.random.default_rng(seed)
    classes = len(schema.classes)
    present = classes if present is None else present
    chosen = np.zeros(classes, np.bool_)
    if schema.exclusive:
        chosen[seed % max(present, 1)] = True
    else:
        chosen[:present] = (seed >> np.arange(present)) % 2 == 1
    levels = _waves(shape, chosen.astype(np.float64), random)
    return Phantom(
        image=stored_image(
            with_contrast(levels, channels, random), f"texture-{seed}", spacing, affine
        ),
        label=ClassScores(probabilities=frozen(chosen.astype(np.float32))),
    )


def draw_blend(shape: Sequence[int], seed: int) -> Image:
    """Draw a texture halfway between the first class and the last.

    Where other phantoms leave a model sure of itself, this leaves it in doubt: two models that
    differ at all differ here.
    """
    random = np.random.default_rng(seed)
    levels = _waves(shape, np.array([0.5, 0.5]), random)
    return stored_image(with_contrast(levels, 1, random), "blend")


def _waves(
    shape: Sequence[int], strengths: npt.NDArray[np.float64], random: np.random.Generator
) -> npt.NDArray[np.float64]:
    """(*spatial): the waves of all classes, each with its strength."""
    axes = np.meshgrid(*[np.arange(size) for size in shape], indexing="ij", sparse=True)
    levels = np.full(tuple(shape), _DARKEST)
    lengths = np.geomspace(_LONGEST, _SHORTEST, len(strengths))
    for number, (strength, length) in enumerate(zip(strengths, lengths, strict=True)):
        direction = 1 + random.normal(0, _TURN, len(shape))
        direction /= np.linalg.norm(direction)
        phase = random.uniform(0, 2 * np.pi)
        along = sum(axis * each for axis, each in zip(axes, direction, strict=True))
        wave = _HEIGHT * np.sin(2 * np.pi * along / length + phase)
        levels += strength * (_STEP * (1 + number) + wave)
    return levels
