"""Bright ellipsoids on dark ground, drawn from a seed: objects of two kinds to find and tell apart.

A picture is divided into cells. A cell holds nothing, one ellipsoid, or two of different classes
that overlap at their rims; the later one lies in front, and the label knows both of them whole. The
class decides the intensity.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from limner.plugin import (
    Affine,
    Image,
    Instances,
    LabelClass,
    LabelSchema,
    instance_boxes,
    no_instances,
    window,
)
from limner.testing.drawing import (
    BACKGROUND,
    BRIGHTEST,
    Phantom,
    frozen,
    stored_image,
    with_contrast,
)

SCHEMA: Final = LabelSchema(
    classes=(LabelClass(name="dim", value=3), LabelClass(name="bright", value=8))
)
"""Two classes whose values are not their places."""

SHAPES: Final = {2: (64, 56), 3: (24, 28, 20)}
"""Usual size of a phantom, by its number of axes."""

_CELL = {2: 20, 3: 13}
"""About the side of a cell, in pixels."""

_OCCUPIED, _PAIRED = 0.75, 0.4
"""Share of the cells that hold something, and of those the share that hold two."""


def draw_objects(
    shape: Sequence[int],
    seed: int,
    *,
    schema: LabelSchema = SCHEMA,
    channels: int = 1,
    spacing: Sequence[float] | None = None,
    affine: Affine | None = None,
    present: int | None = None,
) -> Phantom[Instances]:
    """Draw one phantom of an instance segmentation.

    Args:
        shape: Spatial shape, two or three axes.
        seed: Decides places, sizes, classes and noise.
        schema: The classes, from the darkest to the brightest.
        channels: Channels; every other one has its contrast inverted.
        spacing: Millimetres along each axis; 1.0 where not given.
        affine: Voxel to millimetres; a plain one from the spacing for a volume if not given.
        present: How many classes may occur, counted from the darkest; None for all. With 0 there is
            no object.
    """
    random = np.random.default_rng(seed)
    present = len(schema.classes) if present is None else present
    drawn = list(_objects(tuple(shape), present, random)) if present else []
    intensities = np.linspace(BACKGROUND, BRIGHTEST, len(schema.values))
    levels = np.full(tuple(shape), BACKGROUND)
    for place, inside in drawn:
        levels[inside] = intensities[place]
    layers = with_contrast(levels, channels, random)
    return Phantom(
        image=stored_image(layers, f"objects-{seed}", spacing, affine),
        label=labelled(
            [inside for _, inside in drawn],
            [schema.values[place] for place, _ in drawn],
            len(shape),
        ),
    )


def draw_fading_objects(shape: Sequence[int], seed: int) -> Image:
    """Draw objects of every intensity from the ground's to the brightest.

    Where other phantoms leave a model sure of itself, this leaves it in doubt: two models that
    differ at all differ here.
    """
    random = np.random.default_rng(seed)
    drawn = [inside for _, inside in _objects(tuple(shape), 1, random)]
    levels = np.full(tuple(shape), BACKGROUND)
    for inside, level in zip(drawn, np.linspace(BACKGROUND, BRIGHTEST, len(drawn)), strict=True):
        levels[inside] = level
    return stored_image(with_contrast(levels, 1, random), "fading-objects")


def labelled(
    masks: Sequence[npt.NDArray[np.bool_]], classes: Sequence[int], axes: int
) -> Instances:
    """Return objects, which may overlap, as a label; its arrays are read-only.

    Args:
        masks: (*spatial) each, none of them empty.
        classes: Value of the class of each.
        axes: Number of spatial axes, for where there is no object.
    """
    if not masks:
        return no_instances(axes)
    boxes = np.concatenate([instance_boxes(mask)[1] for mask in masks])
    return Instances(
        boxes=frozen(boxes),
        masks=tuple(
            frozen(mask[window(box)].copy()) for mask, box in zip(masks, boxes, strict=True)
        ),
        classes=frozen(np.array(classes, np.int64)),
        scores=frozen(np.ones(len(masks), np.float32)),
    )


def _objects(
    shape: tuple[int, ...], present: int, random: np.random.Generator
) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    """Yield place of the class (from 1) and mask (*spatial) of each object, the hindmost first."""
    counts = [max(1, round(size / _CELL[len(shape)])) for size in shape]
    cells = list(itertools.product(*map(range, counts)))
    occupied = random.random(len(cells)) < _OCCUPIED
    occupied[random.integers(len(cells))] = True
    for cell in itertools.compress(cells, occupied):
        grid = [
            np.linspace(0, count, size, endpoint=False) * 2 + count / size - 2 * at - 1
            for count, size, at in zip(counts, shape, cell, strict=True)
        ]  # -1 to 1 within the cell, at the middle of each pixel
        places = random.permutation(np.arange(1, present + 1))
        centre = random.uniform(-0.1, 0.1, len(shape))
        if present > 1 and random.random() < _PAIRED:
            along = random.integers(len(shape))
            radii = np.full(len(shape), 0.6)
            radii[along] = 0.45
            for place, side in zip(places[:2], (-0.38, 0.38), strict=True):
                beside = centre.copy()
                beside[along] += side
                yield from _ellipsoid(grid, int(place), beside, radii)
        else:
            yield from _ellipsoid(
                grid, int(places[0]), centre, random.uniform(0.55, 0.75, len(shape))
            )


def _ellipsoid(
    grid: Sequence[npt.NDArray[np.float64]],
    place: int,
    centre: npt.NDArray[np.float64],
    radii: npt.NDArray[np.float64],
) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    """Yield an ellipsoid, unless it lies between the pixels of a very small picture."""
    axes = np.meshgrid(*grid, indexing="ij", sparse=True)
    distance = sum(((each - c) / r) ** 2 for each, c, r in zip(axes, centre, radii, strict=True))
    inside = np.asarray(distance < 1)
    if inside.any():
        yield place, inside
