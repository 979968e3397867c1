"""Anatomy-like volumes with known labels: one organ of two parts among things that look like it.

The organ is a bent, tapering, flattened tube, thick `head` and thin `body`, smoothly deformed by a
random field and lined by a thin sheet. Around it lie two kinds of tissue in random folds, pockets
of fluid, a ventricle, and tubes as bright as the organ itself, one of them close to its head. So
neither intensity nor position alone tells the organ from the rest. Every volume differs in shape,
size and pose; the scanner's part is in `limner.demo.scanner`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from limner.demo.scanner import scanned
from limner.demo.tube import Tube
from limner.simulate.smooth_noise import smooth_noise

CLASSES = ("head", "body")
HEAD, BODY = 1, 2

EXTENT_MM = (34.0, 42.0, 30.0)
"""Size of the field of view before it varies."""

TISSUE, BRIGHT, FLUID = 0.3, 0.95, 0.08
ORGAN_HEAD, ORGAN_BODY = 0.5, 0.68

FloatArray = npt.NDArray[np.float32]
MaskArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phantom:
    """One drawn volume."""

    image: npt.NDArray[np.number]
    """(X, Y, Z), in any of the types that scanners write."""
    labels: MaskArray
    """uint8 (X, Y, Z): 0 background, 1 head, 2 body."""
    spacing_mm: tuple[float, float, float]


def draw_phantom(seed: int, index: int) -> Phantom:
    """Draw a volume; the same seed and index give the same one.

    Args:
        seed: Of the data set.
        index: Of the volume in it.
    """
    random = np.random.default_rng([seed, index])
    spacing = _spacing(random)
    extent = np.asarray(EXTENT_MM) * random.uniform(0.92, 1.08, 3)
    shape = tuple(round(size) for size in extent / spacing)
    places = _places(shape, spacing) + _deformation(shape, spacing, random)
    organ = _organ(random)
    distance, along = organ.distance(places)
    split = random.uniform(0.36, 0.46) + 0.02 * smooth_noise(shape, 4 / spacing, random)
    tissue = _surroundings(shape, spacing, random)
    for other in _distractors(organ, random):
        brightness = random.uniform(0.48, 0.66)
        tissue = _blend(tissue, brightness, other.distance(places)[0], spacing)
    tissue = _blend(tissue, FLUID, _ventricle(organ, random).distance(places)[0], spacing)
    tissue = _lining(tissue, distance, places, spacing, random)
    texture = 0.02 * smooth_noise(shape, 2 / spacing, random)
    inside = np.where(along < split, ORGAN_HEAD, ORGAN_BODY).astype(np.float32) + texture
    tissue = _blend(tissue, inside, distance, spacing)
    labels = np.where(distance <= 0, np.where(along < split, HEAD, BODY), 0).astype(np.uint8)
    image = scanned(tissue, spacing, random)
    x, y, z = map(float, spacing)
    return Phantom(image=image, labels=labels, spacing_mm=(x, y, z))


def _spacing(random: np.random.Generator) -> npt.NDArray[np.float64]:
    """About 1.25 mm; one volume in three has slices twice as thick as its pixels are wide."""
    spacing = np.full(3, random.uniform(1.15, 1.35))
    if random.random() < 1 / 3:
        spacing[2] *= random.uniform(1.6, 2.0)
    return np.round(spacing, 3)


def _places(shape: tuple[int, ...], spacing: npt.NDArray[np.float64]) -> FloatArray:
    """Return where voxel centres are, in millimetres from the middle, float32 (3, *shape)."""
    axes = [(np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, spacing, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)


def _deformation(
    shape: tuple[int, ...], spacing: npt.NDArray[np.float64], random: np.random.Generator
) -> FloatArray:
    """Return a smooth displacement in millimetres: large and slow, and small and quick."""
    slow = np.stack([smooth_noise(shape, 8 / spacing, random) for _ in range(3)])
    quick = np.stack([smooth_noise(shape, 3 / spacing, random) for _ in range(3)])
    return np.asarray(0.9 * slow + 0.2 * quick, np.float32)


def _organ(random: np.random.Generator) -> Tube:
    size = random.uniform(0.88, 1.12)
    x, y, z = random.normal(0, 1.0, 3)
    return Tube(
        centre=(x, y, z),
        length=size * random.uniform(20, 24),
        bend=random.uniform(2.5, 6.5),
        lift=random.uniform(-1, 4),
        turn=random.uniform(-0.2, 0.2),
        thick=size * random.uniform(5.6, 6.8),
        thin=size * random.uniform(3.2, 4.0),
        flatness=random.uniform(1.0, 1.45),
    )


def _ventricle(organ: Tube, random: np.random.Generator) -> Tube:
    """Return a tube of fluid along the organ, always on the same side: a landmark."""
    x, y, z = organ.centre
    return Tube(
        centre=(x + organ.thick + random.uniform(2.0, 3.5), y + random.uniform(-3, 3), z + 2.0),
        length=organ.length * random.uniform(0.7, 1.0),
        bend=organ.bend,
        lift=organ.lift,
        turn=organ.turn,
        thick=random.uniform(1.8, 2.6),
        thin=random.uniform(1.2, 2.0),
    )


def _distractors(organ: Tube, random: np.random.Generator) -> list[Tube]:
    """Return tubes as bright as the organ: one ahead of its head, two somewhere beside it."""
    head = organ.line()[0]
    found = [
        Tube(
            centre=(head[0], head[1] - random.uniform(7.5, 9.5), head[2] + random.uniform(-2, 2)),
            length=random.uniform(3, 6),
            bend=random.uniform(0, 2),
            lift=0.0,
            turn=random.uniform(0.8, 2.2),
            thick=random.uniform(2.6, 3.8),
            thin=random.uniform(2.2, 3.2),
        )
    ]
    for side in (-1.0, 1.0):
        x = side * random.uniform(12.5, 15.5)
        found.append(
            Tube(
                centre=(x, random.uniform(-9, 9), random.uniform(-7, 7)),
                length=random.uniform(9, 20),
                bend=random.uniform(-4, 4),
                lift=random.uniform(-3, 3),
                turn=random.uniform(-0.5, 0.5),
                thick=random.uniform(2.0, 3.4),
                thin=random.uniform(1.5, 3.0),
            )
        )
    return found


def _surroundings(
    shape: tuple[int, ...], spacing: npt.NDArray[np.float64], random: np.random.Generator
) -> FloatArray:
    """Return two kinds of tissue in random folds, with pockets of fluid; about 0 to 1."""
    folds = smooth_noise(shape, 3.2 / spacing, random)
    share = np.clip(0.5 + 4.0 * (folds - random.uniform(0.7, 1.1)), 0, 1)
    tissue = TISSUE + (BRIGHT - TISSUE) * share
    pockets = np.clip(2.5 * (smooth_noise(shape, 2.6 / spacing, random) - 1.5), 0, 1)
    tissue = tissue + (FLUID - tissue) * pockets
    return np.asarray(tissue + 0.02 * smooth_noise(shape, 1.5 / spacing, random), np.float32)


def _lining(
    tissue: FloatArray,
    distance: FloatArray,
    places: FloatArray,
    spacing: npt.NDArray[np.float64],
    random: np.random.Generator,
) -> FloatArray:
    """Line the organ with a thin bright sheet, and with fluid where the sheet is missing."""
    layer = _inside(np.abs(distance - 0.9) - random.uniform(0.5, 0.9), spacing)
    patches = smooth_noise(places.shape[1:], 5 / spacing, random)
    covered = np.clip(0.5 + 2 * (patches + random.uniform(0.0, 0.6)), 0, 1)
    lining = FLUID + (BRIGHT - FLUID) * covered
    return np.asarray(tissue + (lining - tissue) * layer, np.float32)


def _blend(
    tissue: FloatArray,
    value: float | FloatArray,
    distance: FloatArray,
    spacing: npt.NDArray[np.float64],
) -> FloatArray:
    """Put something into the tissue; voxels on its surface hold a part of each."""
    return np.asarray(tissue + (value - tissue) * _inside(distance, spacing), np.float32)


def _inside(distance: FloatArray, spacing: npt.NDArray[np.float64]) -> FloatArray:
    """Share of a voxel that lies inside a surface, from its distance in millimetres."""
    share = np.clip(0.5 - distance / (1.3 * float(spacing.mean())), 0, 1)
    return np.asarray(share, np.float32)
