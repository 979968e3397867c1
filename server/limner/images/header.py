"""What is known of an image before its pixels are read."""

from __future__ import annotations

from dataclasses import dataclass

from limner.images.suffixes import Kind
from limner.plugin import Affine

LATEST_NS = 2**63 - 1
"""Latest modification time that the records can hold; a file may claim a later one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NiftiOrientation:
    """The fields of a NIfTI header that say where a volume lies, exactly as they are stored.

    A mask written as NIfTI repeats them, so that a reader that prefers the qform and one that
    prefers the sform both see the mask on its image. See the NIfTI-1 standard, methods 2 and 3.
    """

    qform_code: int
    sform_code: int
    pixdim: tuple[float, ...]
    """(4,), qfac and the size of a voxel along each axis, in the header's units."""
    quaternion: tuple[float, float, float]
    """b, c and d."""
    qoffset: tuple[float, float, float]
    srow: tuple[tuple[float, ...], ...]
    """(3, 4), the first rows of the sform."""
    units: int
    """`xyzt_units` of space alone: 0 unknown, 1 metre, 2 millimetre, 3 micron."""
    version: int
    """1 or 2; NIfTI-2 has the same fields in double precision."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """Shape, type and geometry of one image, as its file declares them."""

    kind: Kind
    """`volume` or `picture`."""
    shape: tuple[int, ...]
    """Spatial shape: voxel indices (i, j, k) of a volume, (rows, columns) of a picture. A volume
    of one slice keeps a third axis of length one."""
    channels: int
    dtype: str
    """Name of the type of `Image.array`, such as `int16`."""
    spacing: tuple[float, ...]
    """Millimetres along each spatial axis; 1.0 for pictures, whose resolution tags speak of print
    and not of tissue."""
    affine: Affine | None
    """(4, 4) voxel to RAS+ millimetres; None for a picture."""
    nifti: NiftiOrientation | None = None
    """As stored, where the file is NIfTI."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Header(Layout):
    """A layout together with the file that declares it."""

    format: str
    """Suffix in lower case, such as `.nii.gz`."""
    size_bytes: int
    """Of the file, or of all files of the sample."""
    modified_ns: int
    """Nanoseconds since 1970-01-01 UTC; of the youngest file where there are several."""
