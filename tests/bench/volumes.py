"""Drawn files that several benchmarks send."""

from __future__ import annotations

import gzip

import nibabel
import numpy as np

SHAPE = (35, 50, 36)
"""Of a hippocampus volume."""


def volume(seed: int) -> bytes:
    """Return a small volume as a gzipped NIfTI."""
    values = np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)
    data: bytes = nibabel.Nifti1Image(values, np.eye(4)).to_bytes()
    return gzip.compress(data, mtime=0)


def mask(seed: int) -> bytes:
    """Return a mask of two boxes, different for each seed, as a gzipped NIfTI."""
    values = np.zeros(SHAPE, np.uint8)
    values[10:20, 10:30, 10:20] = 1
    values[20:28, 12:34, 10:20] = 2
    values.flat[: seed.bit_length()] = [int(bit) for bit in bin(seed)[2:]]
    data: bytes = nibabel.Nifti1Image(values, np.eye(4)).to_bytes()
    return gzip.compress(data, mtime=0)
