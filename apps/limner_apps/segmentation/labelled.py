"""Which voxels of a case are labelled: the others are ignored, and are not background."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from limner.plugin import Case, LabelSchema, UnsuitableInput, inside
from limner_apps.segmentation.preprocess import encode

IGNORED: Final = int(np.iinfo(np.uint16).max)
"""Stands for a class index where nobody has said what there is."""


def labelled_voxels(case: Case, shape: tuple[int, ...]) -> npt.NDArray[np.bool_] | None:
    """Return (*spatial), True where a case is labelled; None where it is so everywhere.

    Raises:
        UnsuitableInput: A region does not lie on the image, or there is none.
    """
    if case.regions is None:
        return None
    if not case.regions:
        raise UnsuitableInput(f"Case {case.id}: no region of it is labelled; leave it out.")
    for region in case.regions:
        if not region.lies_in(shape):
            raise UnsuitableInput(
                f"Case {case.id}: the region from {list(region.start)} to {list(region.stop)} does "
                f"not lie on its image of shape {shape}."
            )
    return inside(case.regions, shape)


def known_indices(
    case: Case, mask: npt.NDArray[Any], schema: LabelSchema
) -> npt.NDArray[np.uint16]:
    """Return class indices, (*spatial), and `IGNORED` where a case is not labelled.

    What the mask holds there is not looked at.

    Raises:
        UnsuitableInput: A labelled voxel holds a value that the schema does not have.
    """
    labelled = labelled_voxels(case, mask.shape)
    if labelled is None:
        return encode(mask, schema)
    indices = encode(np.where(labelled, mask, 0), schema)
    indices[~labelled] = IGNORED
    return indices
