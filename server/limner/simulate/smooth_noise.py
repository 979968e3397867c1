"""Smooth random fields: white noise through a Gaussian low-pass in the frequency domain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


def smooth_noise(
    shape: Sequence[int], width: npt.ArrayLike, random: np.random.Generator
) -> FloatArray:
    """Draw a smooth random field.

    Args:
        shape: Its shape.
        width: Standard deviation of the Gaussian in voxels, one or one an axis: structures are
            about so large.
        random: Decides the field.

    Returns:
        float32 of the given shape, mean 0, standard deviation 1. It does not wrap around at its
        edges.
    """
    widths = np.broadcast_to(np.asarray(width, float), len(shape))
    # Room beyond the edges, so that one side does not continue the other.
    padded = [int(size + 2 * np.ceil(each)) for size, each in zip(shape, widths, strict=True)]
    spectrum = np.fft.rfftn(random.standard_normal(padded))
    for axis, (size, each) in enumerate(zip(padded, widths, strict=True)):
        last = axis == len(padded) - 1
        cycles = np.fft.rfftfreq(size) if last else np.fft.fftfreq(size)
        passes = np.exp(-2 * (np.pi * each * cycles) ** 2)
        spectrum *= passes.reshape([-1 if a == axis else 1 for a in range(len(padded))])
    field = np.fft.irfftn(spectrum, s=padded, axes=range(len(padded)))
    field = field[tuple(slice(0, size) for size in shape)]
    spread = float(field.std()) or 1.0
    scaled: FloatArray = ((field - field.mean()) / spread).astype(np.float32)
    return scaled
