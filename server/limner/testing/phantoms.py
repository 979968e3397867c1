"""Easy images with known labels, drawn from a seed: what an app is asked to learn.

Each class is an ellipsoid inside the one before, with an intensity of its own under a little noise:
anything that learns at all learns them in a minute. Values of the schema leave gaps on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from limner.plugin import Affine, Case, Image, LabelClass, LabelSchema, Mask

SCHEMA: Final = LabelSchema(
    classes=(LabelClass(name="shell", value=2), LabelClass(name="core", value=7))
)
"""Two classes whose values are not their places."""

SHAPES: Final = {2: (48, 40), 3: (24, 28, 20)}
"""Usual size of a phantom, by its number of axes."""

_BACKGROUND, _BRIGHTEST, _NOISE = 20.0, 220.0, 7.0


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """An image with its true label. The arrays are read-only."""

    image: Image
    label: Mask

    def case(self, name: str) -> Case:
        """Return it as a labelled case of that id."""
        return Case(
            id=name,
            fingerprint=f"phantom-{name}",
            load_image=lambda: self.image,
            load_label=lambda: self.label,
        )


def draw_phantom(
    shape: Sequence[int],
    seed: int,
    *,
    schema: LabelSchema = SCHEMA,
    channels: int = 1,
    spacing: Sequence[float] | None = None,
    affine: Affine | None = None,
    present: int | None = None,
) -> Phantom:
    """Draw one phantom.

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
    axes = len(shape)
    spacing = tuple(spacing) if spacing is not None else (1.0,) * axes
    if affine is None and axes == 3:
        affine = np.diag([*spacing, 1.0])
    places = _places(shape, schema, random, len(schema.classes) if present is None else present)
    values = np.array(schema.values)
    label = values[places].astype(np.uint8 if values[-1] <= 255 else np.uint16)
    levels = np.linspace(_BACKGROUND, _BRIGHTEST, len(values))
    layers = [
        (levels if channel % 2 == 0 else levels[::-1])[places] + random.normal(0, _NOISE, shape)
        for channel in range(channels)
    ]
    kind = np.uint8 if axes == 2 else np.int16
    array = np.clip(np.rint(np.stack(layers)), 0, 255).astype(kind)
    for each in (array, label, affine):
        if each is not None:
            each.flags.writeable = False
    return Phantom(
        image=Image(array=array, spacing=spacing, affine=affine, name=f"phantom-{seed}"),
        label=Mask(array=label, spacing=spacing, affine=affine),
    )


def draw_ramp(shape: Sequence[int]) -> Image:
    """Draw every intensity between those of the classes, rising along the first axis.

    Where phantoms leave a model sure of itself, this leaves it in doubt: two models that differ at
    all differ here.
    """
    levels = np.linspace(_BACKGROUND, _BRIGHTEST, shape[0])
    array = np.broadcast_to(levels.reshape(-1, *[1] * (len(shape) - 1)), shape)[None]
    array = array.astype(np.uint8 if len(shape) == 2 else np.int16)
    array.flags.writeable = False
    affine = np.eye(4) if len(shape) == 3 else None
    return Image(array=array, spacing=(1.0,) * len(shape), affine=affine, name="ramp")


def phantom_cases(
    axes: int, count: int, seed: int, *, schema: LabelSchema = SCHEMA, present: int | None = None
) -> list[Case]:
    """Draw several cases of slightly different sizes; ids are unique for a seed."""
    cases = []
    for number in range(count):
        shape = tuple(size + (number + axis) % 3 for axis, size in enumerate(SHAPES[axes]))
        phantom = draw_phantom(shape, 1000 * seed + number, schema=schema, present=present)
        cases.append(phantom.case(f"{seed}-{number}"))
    return cases


def oblique_affine(spacing: Sequence[float], seed: int = 0) -> Affine:
    """Return an affine (4, 4) that turns about all axes, mirrors one, and moves the origin."""
    random = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([spacing[0], -spacing[1], spacing[2]])
    affine[:3, 3] = random.uniform(-100, 100, 3)
    return affine


def _places(
    shape: Sequence[int], schema: LabelSchema, random: np.random.Generator, present: int
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
