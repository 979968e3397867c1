"""What a scanner adds: contrast, uneven sensitivity, noise, and a scale of its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from limner.simulate.smooth_noise import smooth_noise

FloatArray = npt.NDArray[np.float32]


def scanned(
    tissue: FloatArray, spacing_mm: npt.NDArray[np.float64], random: np.random.Generator
) -> npt.NDArray[np.number]:
    """Turn tissue into what a magnitude MR image of it would hold.

    A random contrast (gamma), a smooth multiplicative bias field, noise in both channels whose
    magnitude is taken (Rician: Gudbjartsson & Patz 1995, The Rician distribution of noisy MRI
    data), and a scale between tens and tens of thousands, as uint8, int16 or float32.

    Args:
        tissue: float32, about 0 to 1.
        spacing_mm: Size of a voxel along each axis.
        random: Decides everything.
    """
    signal = np.clip(tissue, 0.01, None) ** random.uniform(0.75, 1.35)
    bias = np.exp(random.uniform(0.08, 0.25) * smooth_noise(tissue.shape, 14 / spacing_mm, random))
    noise = random.uniform(0.02, 0.045)
    real = signal * bias + noise * random.standard_normal(tissue.shape)
    imaginary = noise * random.standard_normal(tissue.shape)
    magnitude = np.hypot(real, imaginary)
    brightest = float(np.percentile(magnitude, 99.9))
    shares = magnitude / brightest
    match random.integers(3):
        case 0:
            return np.asarray(np.clip(shares * random.uniform(110, 240), 0, 255), np.uint8)
        case 1:
            return np.asarray(np.clip(shares * 10 ** random.uniform(2.5, 4.2), 0, 32_767), np.int16)
        case _:
            return np.asarray(magnitude * 10 ** random.uniform(1.0, 4.5), np.float32)
