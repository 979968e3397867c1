"""Easy images with known masks, drawn from a seed: what an app is asked to learn.

Each class is an ellipsoid inside the one before, with an intensity of its own under a little noise:
anything that learns at all learns them in a minute. Values of the schema leave gaps on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from limner.plugin import Affine, Image, LabelClass, LabelSchema, Mask
from limner.testing.drawing import (
    BACKGROUND,
    BRIGHTEST,
    Phantom,
    frozen,
    stored_image,
    with_contrast,
)

SCHEMA: Final = LabelSchema(
    classes=(LabelClass(name="shell", value=2), LabelClass(name="core", value=7))
)
"""Two classes whose values are not their places."""

SHAPES: Final = {2: (48, 40), 3: (24, 28, 20)}
"""Usual size of a phantom, by its number of axes."""


def draw_phantom(
    shape: Sequence[int],
    seed: int,
    *,
    schema: LabelSchema = SCHEMA,
    channels: int = 1,
    spacing: Sequence[float] | None = None,
    affine: Affine | None = None,
    present: int | None = None,
) -> Phantom[Mask]:
    """Draw one phantom of a segmentation.

    Args:
        shape: Spatial shape, two or three axes.
        seed: Decides place, size and noise.
        schema: The classes, from the outermost inwards.
        channels: Channels; every other one has its contrast inverted.
        spacing: Millimetres along each axis; 1.0 where not given.
        affine: Voxel to millimetres; a plain one from the spacing for a volume if not given.
        present: How many classes are in the picture, counted from the outermost; None for all.
    """
    random = np.random.default_rng(seed)
    places = _places(shape, len(schema.classes) if present is None else present, random)
    values = np.array(schema.values)
    label = values[places].astype(np.uint8 if values[-1] <= 255 else np.uint16)
    levels = np.linspace(BACKGROUND, BRIGHTEST, len(values))[places]
    layers = with_contrast(levels, channels, random)
    image = stored_image(layers, f"phantom-{seed}", spacing, affine)
    return Phantom(
        image=image,
        label=Mask(array=frozen(label), spacing=image.spacing, affine=image.affine),
    )


def draw_ramp(shape: Sequence[int]) -> Image:
    """Draw every intensity between those of the classes, rising along the first axis.

    Where phantoms leave a model sure of itself, this leaves it in doubt: two models that differ at
    all differ here.
    """
    levels = np.linspace(BACKGROUND, BRIGHTEST, shape[0])
    rising = np.broadcast_to(levels.reshape(-1, *[1] * (len(shape) - 1)), tuple(shape))
    return stored_image([rising], "ramp")


def _places(
    shape: Sequence[int], present: int, random: np.random.Generator
) -> npt.NDArray[np.intp]:
    """(*spatial): place of the class at each voxel, 0 for background."""
    grid = np.meshgrid(*[np.linspace(-1, 1, size) for size in shape], indexing="ij")
    centre = random.uniform(-0.2, 0.2, len(shape))
    radii = random.uniform(0.6, 0.75, len(shape))
    distance = np.sqrt(
        sum(((each - c) / r) ** 2 for each, c, r in zip(grid, centre, radii, strict=True))
    )
    places = np.zeros(tuple(shape), np.intp)
    for place in range(1, present + 1):
        places[distance < 1 - 0.45 * (place - 1)] = place
    return places
