"""How phantoms of every task become images: their geometry, numbers and noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from limner.plugin import Affine, Answer, Case, Image

BACKGROUND: Final = 20.0
"""Intensity where there is nothing."""

BRIGHTEST: Final = 220.0
"""Intensity of the last class."""

NOISE: Final = 7.0
"""Standard deviation of the noise on every pixel."""

LabelT = TypeVar("LabelT", bound=Answer, covariant=True)


@dataclass(frozen=True, slots=True, eq=False)
class Phantom(Generic[LabelT]):
    """An image with its true label. The arrays are read-only."""

    image: Image
    label: LabelT

    def case(self, name: str) -> Case:
        """Return it as a labelled case of that id."""
        return Case(
            id=name,
            fingerprint=f"phantom-{name}",
            load_image=lambda: self.image,
            load_label=lambda: self.label,
        )


def stored_image(
    layers: Sequence[npt.NDArray[Any]],
    name: str,
    spacing: Sequence[float] | None = None,
    affine: Affine | None = None,
) -> Image:
    """Return intensities as a file would hold them: uint8 for a picture, int16 for a volume.

    Args:
        layers: (*spatial) of each channel; what is outside 0 to 255 is cut off.
        name: The image's name.
        spacing: Millimetres along each axis; 1.0 where not given.
        affine: Voxel to millimetres; a plain one from the spacing for a volume if not given.
    """
    axes = layers[0].ndim
    spacing = tuple(spacing) if spacing is not None else (1.0,) * axes
    if affine is None and axes == 3:
        affine = frozen(np.diag([*spacing, 1.0]))
    kind = np.uint8 if axes == 2 else np.int16
    array = np.clip(np.rint(np.stack(layers)), 0, 255).astype(kind)
    return Image(array=frozen(array), spacing=spacing, affine=affine, name=name)


def with_contrast(
    levels: npt.NDArray[np.float64], channels: int, random: np.random.Generator
) -> list[npt.NDArray[np.float64]]:
    """Return a noisy layer (*spatial) for each channel; every other one has its contrast inverted.

    Args:
        levels: (*spatial), intensities without noise.
        channels: How many layers.
        random: Draws the noise.
    """
    inverted = BACKGROUND + BRIGHTEST - levels
    return [
        (levels if channel % 2 == 0 else inverted) + random.normal(0, NOISE, levels.shape)
        for channel in range(channels)
    ]


def oblique_affine(spacing: Sequence[float], seed: int = 0) -> Affine:
    """Return an affine (4, 4) that turns about all axes, mirrors one, and moves the origin."""
    random = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([spacing[0], -spacing[1], spacing[2]])
    affine[:3, 3] = random.uniform(-100, 100, 3)
    return affine


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the array, read-only."""
    array.flags.writeable = False
    return array
