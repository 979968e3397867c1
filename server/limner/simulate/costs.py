"""What a label costs: items, annotated voxels or instances, and minutes by a simple model.

Nobody was watched labelling: the minutes are simulated, and the model is as simple as it looks.

- An image is opened and looked at: 5 seconds to say its classes, 10 before objects are outlined,
  20 before structures are.
- An object is outlined in 8 seconds.
- A structure's contour is drawn at about 3 voxels a second, slice by slice: 0.3 seconds for every
  voxel that touches another class or the background.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import Answer, Instances, Mask, Task, window

LOOK_S = {Task.CLASSIFICATION: 5.0, Task.INSTANCES: 10.0, Task.SEGMENTATION: 20.0}
AN_OBJECT_S = 8.0
A_BOUNDARY_VOXEL_S = 0.3

MODEL = {
    Task.CLASSIFICATION: f"{LOOK_S[Task.CLASSIFICATION]:g} s an image",
    Task.INSTANCES: f"{LOOK_S[Task.INSTANCES]:g} s an image and {AN_OBJECT_S:g} s an object",
    Task.SEGMENTATION: f"{LOOK_S[Task.SEGMENTATION]:g} s an image and {A_BOUNDARY_VOXEL_S:g} s for "
    "every voxel of a contour",
}
"""The model in words, by task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one label costs, drawn from nothing."""

    voxels: int = 0
    """Pixels or voxels that it marks as something."""
    instances: int = 0
    """Objects that it outlines."""
    seconds: float = 0.0
    """Simulated time."""

    def as_json(self) -> dict[str, float]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Cost:
        """Read what `as_json` gave."""
        return cls(**stored)


def cost_of(answer: Answer, task: Task) -> Cost:
    """Say what it costs to draw a label."""
    look = LOOK_S[task]
    if isinstance(answer, Mask):
        seconds = look + A_BOUNDARY_VOXEL_S * boundary_voxels(answer.array)
        return Cost(voxels=int(np.count_nonzero(answer.array)), seconds=seconds)
    if isinstance(answer, Instances):
        return Cost(
            voxels=sum(_size(answer, row) for row in range(len(answer.masks))),
            instances=len(answer.masks),
            seconds=look + AN_OBJECT_S * len(answer.masks),
        )
    return Cost(seconds=look)


def boundary_voxels(classes: npt.NDArray[Any]) -> int:
    """Count the voxels of a mask that are something and have a neighbour of another value.

    Neighbours share a face; beyond the image's rim there is none.
    """
    touches = np.zeros(classes.shape, bool)
    for axis in range(classes.ndim):
        along = np.moveaxis(classes, axis, 0)
        marked = np.moveaxis(touches, axis, 0)
        differs = along[1:] != along[:-1]
        marked[1:] |= differs
        marked[:-1] |= differs
    return int(np.count_nonzero(touches & (classes != 0)))


def _size(instances: Instances, row: int) -> int:
    mask = instances.masks[row]
    if mask is not None:
        return int(np.count_nonzero(mask))
    return int(np.prod([each.stop - each.start for each in window(instances.boxes[row])]))
