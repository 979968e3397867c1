"""Affines: between conventions, and whether two of them put a volume in the same place."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from limner.errors import UnreadableImage
from limner.plugin import Affine

_FLIP_XY = np.diag([-1.0, -1.0, 1.0, 1.0])

CORNER_TOLERANCE = 0.01
"""How far a corner of a volume may move between two affines that count as one, in fractions of
the smallest side of a voxel. Single precision and six printed digits stay below it; a flip, a shift
by half a voxel or another spacing never does."""

_COORDINATE_TOLERANCE = 8 * float(np.finfo(np.float32).eps)
"""The same as a fraction of the largest coordinate: what formats with 32-bit floats lose anyway."""


def lps_to_ras(affine: Affine) -> Affine:
    """Turn an affine to LPS+ (ITK, DICOM) into one to RAS+ (NIfTI), or back."""
    return _FLIP_XY @ affine


def affine_of(directions: Affine, origin: Affine) -> Affine:
    """Build a (4, 4) affine.

    Args:
        directions: (3, 3), a column for each voxel axis: the step to the next voxel.
        origin: (3,), centre of the first voxel.
    """
    affine = np.eye(4)
    affine[:3, :3] = directions
    affine[:3, 3] = origin
    return affine


def checked_affine(affine: Affine, shape: Sequence[int], name: str) -> Affine:
    """Return a usable affine, repairing what a single slice leaves open.

    A file of one slice often says nothing of the third direction. It is then taken perpendicular to
    the other two, one millimetre long.

    Args:
        affine: (4, 4).
        shape: (3,), voxels along each axis.
        name: Of the file, for messages.

    Raises:
        UnreadableImage: Not finite, or it maps the volume onto a plane, a line or a point.
    """
    affine = np.asarray(affine, dtype=np.float64)
    if not np.isfinite(affine).all():
        raise UnreadableImage(
            f"{name}: its affine holds values that are not finite: {affine_text(affine)}."
        )
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    empty = np.flatnonzero(lengths == 0)
    if len(empty) == 1 and shape[empty[0]] == 1:
        affine = affine.copy()
        affine[:3, empty[0]] = _perpendicular(affine, int(empty[0]))
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
    # Relative to the voxel's box, so that micrometres do not look singular.
    volume = abs(np.linalg.det(affine[:3, :3]))
    if not lengths.all() or not volume > 1e-6 * float(np.prod(lengths)):
        raise UnreadableImage(
            f"{name}: its affine {affine_text(affine)} is singular, so its voxels lie nowhere. "
            "Repair the orientation in the file's header."
        )
    return affine


def _perpendicular(affine: Affine, axis: int) -> Affine:
    first, second = (affine[:3, other] for other in ((axis + 1) % 3, (axis + 2) % 3))
    normal = np.cross(first, second)
    length = np.linalg.norm(normal)
    return np.asarray(normal / length if length else normal, dtype=np.float64)


def spacing_of(affine: Affine) -> tuple[float, ...]:
    """Return the side of a voxel along each axis, in the affine's units."""
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    # Nine digits: hides what a square root adds to a spacing such as 0.7.
    return tuple(float(f"{length:.9g}") for length in lengths)


def same_place(first: Affine, second: Affine, shape: Sequence[int]) -> bool:
    """Tell whether two affines put every voxel of a volume in the same place.

    An affine map moves the corners of a box most, so they are all that is compared.

    Args:
        first: (4, 4), and its voxel size sets the tolerance.
        second: (4, 4).
        shape: (3,), voxels along each axis.
    """
    corners = np.array(
        [(*corner, 1) for corner in product(*((0, length - 1) for length in shape))], dtype=float
    )
    here = corners @ first.T
    moved = float(np.abs(here - corners @ second.T).max())
    # A volume one voxel deep shows its third direction nowhere else.
    turned = float(np.abs(first[:3, :3] - second[:3, :3]).max())
    voxel = float(np.linalg.norm(first[:3, :3], axis=0).min())
    allowed = CORNER_TOLERANCE * voxel + _COORDINATE_TOLERANCE * float(np.abs(here).max())
    return moved <= allowed and turned <= allowed


def affine_text(affine: Affine) -> str:
    """Write the first three rows of an affine in one line, for messages."""
    rows = (" ".join(f"{value:.6g}" for value in row) for row in np.asarray(affine)[:3])
    return "[" + " | ".join(rows) + "]"
