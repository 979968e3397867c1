"""What crosses the border as pixels: images, prompts, and the three kinds of answer.

Axes are those of the file on disk. A volume's spatial axes are the voxel indices (i, j, k) that its
affine maps to millimetres; a picture's are (row, column). Geometry travels with the array and comes
back unchanged: a mask has exactly the spatial shape and the affine of the image it was drawn on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Affine: TypeAlias = npt.NDArray[np.float64]
"""(4, 4), voxel index (i, j, k, 1) to millimetres in RAS+ (x right, y anterior, z superior), as
NIfTI-1 has it."""

FloatArray: TypeAlias = npt.NDArray[np.float32]
IntArray: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Image:
    """A picture or a volume, as a plugin sees it."""

    array: npt.NDArray[Any]
    """(channels, *spatial), a real dtype as stored in the file (integers or floats), finite.
    Read-only: a plugin that needs to change it works on a copy."""
    spacing: tuple[float, ...]
    """Size of a pixel or voxel along each spatial axis, in millimetres; 1.0 where unknown."""
    affine: Affine | None = None
    """Voxel to RAS+ millimetres for a volume; None for a picture."""
    modality: str = "unknown"
    """DICOM modality code such as `MR` or `CT`, or `unknown`."""
    name: str = ""
    """The sample's name, for messages only."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape, channels left out."""
        return self.array.shape[1:]

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.array.shape[0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mask:
    """A class value for every pixel or voxel: the answer of a segmentation."""

    array: npt.NDArray[Any]
    """(*spatial), uint8 or uint16; values of the schema, 0 is background."""
    spacing: tuple[float, ...]
    """As in `Image.spacing`."""
    affine: Affine | None = None
    """As in `Image.affine`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Instances:
    """Separate objects, which may overlap: the answer of an instance segmentation."""

    boxes: FloatArray
    """(n, 2 * d), first corner then last, in pixels along the spatial axes; the last corner is one
    past the end. Inside the image, and not empty."""
    masks: tuple[npt.NDArray[np.bool_] | None, ...]
    """(n,) masks, each cut to its box: True where the object is, of the shape of
    `limner.plugin.window`. None where only the box is known, as in labels that are boxes."""
    classes: IntArray
    """(n,), values of the schema."""
    scores: FloatArray
    """(n,), in [0, 1]; 1 in a label."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassScores:
    """A probability for every class: the answer of a classification.

    In a label they are 1 for the classes that an image has and 0 for the others.
    """

    probabilities: FloatArray
    """(classes,), in the schema's order without background, in [0, 1]; summing to one where the
    schema is exclusive."""


Answer: TypeAlias = Mask | Instances | ClassScores
"""What a model answers and an annotator corrects, by task."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prompt:
    """What an annotator says of one class, beside the image. The arrays are read-only.

    What a kind of prompt does not say is an array of no rows, or no scribble.
    """

    points: FloatArray
    """(n, d), the voxels that were clicked: indices in the order of the file's axes, (row, column)
    of a picture and (i, j, k) of a volume. Whole numbers, inside the image."""
    positive: npt.NDArray[np.bool_]
    """(n,), True where a point belongs to the class, False where it does not."""
    boxes: FloatArray
    """(m, 2 * d), around something of the class: first corner then last, in voxels in the order of
    the file's axes; the last corner is one past the end. Inside the image, and not empty."""
    scribble: npt.NDArray[np.uint8] | None = None
    """(*spatial), of the image's own shape: 0 nothing said, 1 of the class, 2 not of the class.
    None where nobody scribbled."""
    value: int = 1
    """The class that all of it is about, as the schema has it; never background."""
