"""Contours as a human draws them: off by a little, smoothly."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt

from limner.errors import UnsupportedFormat
from limner.simulate.smooth_noise import smooth_noise

IntArray = npt.NDArray[np.integer]

WIDTH = 3.0
"""Neighbouring points of a contour err together over about so many voxels."""


def jittered(classes: IntArray, voxels: float, random: np.random.Generator) -> IntArray:
    """Displace a mask by a smooth random field, so that only contours change.

    Args:
        classes: Class values, any number of axes.
        voxels: Standard deviation of the displacement along every axis, in voxels.
        random: Decides the displacement.

    Returns:
        A new array of the same shape and dtype with no values that were not there.
    """
    where = [
        np.clip(
            np.rint(grid + voxels * smooth_noise(classes.shape, WIDTH, random)).astype(np.intp),
            0,
            size - 1,
        )
        for grid, size in zip(np.indices(classes.shape), classes.shape, strict=True)
    ]
    moved: IntArray = classes[tuple(where)]
    return moved


def jittered_file(path: Path, voxels: float, random: np.random.Generator) -> bytes:
    """Read a NIfTI mask, displace its contours, and write it with the same geometry.

    Raises:
        UnsupportedFormat: It is no NIfTI file.
    """
    if not path.name.endswith((".nii", ".nii.gz")):
        raise UnsupportedFormat(f"Contours can be jittered in NIfTI masks only, not {path.name}.")
    import nibabel

    mask = nibabel.load(path)
    moved = jittered(np.asanyarray(mask.dataobj), voxels, random)
    written: bytes = nibabel.Nifti1Image(moved, mask.affine, mask.header).to_bytes()
    return gzip.compress(written, 1, mtime=0) if path.name.endswith(".gz") else written
