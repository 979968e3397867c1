"""The orientation fields of NIfTI headers: kept from an image, written into its masks."""

from __future__ import annotations

from typing import Any

import numpy as np

from limner.images.header import Header, NiftiOrientation
from limner.plugin import Affine

_MM = {1: 1000.0, 2: 1.0, 3: 0.001}
"""Millimetres in the units that `xyzt_units` may name; unknown units are taken as millimetres."""

_SPACE_UNITS = 0x07
_MILLIMETRE = 2
_SCANNER = 1
_LONGEST_NIFTI1_AXIS = 32_767


def orientation_of(header: Any, version: int) -> NiftiOrientation:
    """Keep the orientation fields of a nibabel header."""
    return NiftiOrientation(
        qform_code=int(header["qform_code"]),
        sform_code=int(header["sform_code"]),
        pixdim=tuple(header["pixdim"][:4].tolist()),
        quaternion=(
            float(header["quatern_b"]),
            float(header["quatern_c"]),
            float(header["quatern_d"]),
        ),
        qoffset=(
            float(header["qoffset_x"]),
            float(header["qoffset_y"]),
            float(header["qoffset_z"]),
        ),
        srow=tuple(tuple(header[row].tolist()) for row in ("srow_x", "srow_y", "srow_z")),
        units=int(header["xyzt_units"]) & _SPACE_UNITS,
        version=version,
    )


def scaled_to_mm(affine: Affine, units: int) -> Affine:
    """Turn an affine in a header's units into millimetres."""
    factor = _MM.get(units, 1.0)
    return affine if factor == 1.0 else np.diag([factor, factor, factor, 1.0]) @ affine


def header_bytes(header: Header, dtype: np.dtype[Any]) -> bytes:
    """Make the header of a mask, up to its first voxel.

    An image that is NIfTI itself lends its fields unchanged. For any other, the affine goes into
    the sform and, as far as a rotation can express it, into the qform.
    """
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    kept = header.nifti
    is_wide = (kept is not None and kept.version == 2) or max(header.shape) > _LONGEST_NIFTI1_AXIS
    made = (Nifti2Header if is_wide else Nifti1Header)(endianness="<")
    made.set_data_dtype(dtype.newbyteorder("<"))
    made.set_data_shape(header.shape)
    if kept is None:
        affine = header.affine if header.affine is not None else np.eye(4)
        made.set_qform(affine, code=_SCANNER, strip_shears=True)
        made.set_sform(affine, code=_SCANNER)
        made["xyzt_units"] = _MILLIMETRE
    else:
        _restore(made, kept)
    made["scl_slope"], made["scl_inter"] = 1.0, 0.0
    start = 544 if is_wide else 352
    made["vox_offset"] = start
    made["magic"] = b"n+2" if is_wide else b"n+1"
    return bytes(made.binaryblock).ljust(start, b"\x00")


def _restore(made: Any, kept: NiftiOrientation) -> None:
    made["qform_code"], made["sform_code"] = kept.qform_code, kept.sform_code
    made["pixdim"][:4] = kept.pixdim
    for letter, value in zip("bcd", kept.quaternion, strict=True):
        made[f"quatern_{letter}"] = value
    for letter, value, row in zip("xyz", kept.qoffset, kept.srow, strict=True):
        made[f"qoffset_{letter}"] = value
        made[f"srow_{letter}"] = row
    made["xyzt_units"] = kept.units
