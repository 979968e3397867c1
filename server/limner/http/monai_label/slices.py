"""Pictures as 3D Slicer has them: a volume of one slice, with axes (column, row, slice)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from limner.errors import GeometryMismatch
from limner.images import Header
from limner.plugin import Mask

_AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])
"""What ITK gives a picture without geometry, in RAS+: one pixel is one millimetre."""


def picture_mask(mask: Mask) -> Mask:
    """Return a volume of one slice as the mask of a picture: (x, y, 1) becomes (row, column).

    Raises:
        GeometryMismatch: It has more than one slice.
    """
    if mask.array.ndim != 3 or mask.array.shape[2] != 1:
        raise GeometryMismatch(
            f"The mask has shape {tuple(mask.array.shape)}; that of a picture has one slice."
        )
    return Mask(array=np.ascontiguousarray(mask.array[:, :, 0].T), spacing=(1.0, 1.0))


def slice_mask(mask: Mask, header: Header) -> tuple[Mask, Header]:
    """Return the mask of a picture as a volume of one slice, with the header of such an image."""
    array = np.asfortranarray(mask.array.T[:, :, np.newaxis])
    spacing = (1.0, 1.0, 1.0)
    shown = replace(
        header, kind="volume", shape=array.shape, spacing=spacing, affine=_AFFINE, nifti=None
    )
    return Mask(array=array, spacing=spacing, affine=_AFFINE), shown
