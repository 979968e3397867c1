"""What a microscope adds: blur, uneven light, contrast, noise, and sometimes colour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from limner.simulate.smooth_noise import smooth_noise

FloatArray = npt.NDArray[np.float32]

COLOUR_SHARE = 1 / 3
"""Share of the pictures that are in colour."""


def photographed(tissue: FloatArray, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Turn tissue into what a camera of 8 bits on a microscope would hold.

    A small blur, light that falls off across the picture, a random contrast (gamma), noise that
    grows with the light (photons) beside one that does not (the camera's), and, in one picture of
    three, a tint of the light from dark to bright.

    Args:
        tissue: float32 (rows, columns), about 0 to 1.
        random: Decides everything.

    Returns:
        (rows, columns), or (rows, columns, 3) in colour.
    """
    light = np.exp(random.uniform(0.08, 0.22) * smooth_noise(tissue.shape, 45, random))
    seen = np.clip(_blurred(tissue, random.uniform(0.4, 0.8)) * light, 0.01, None)
    seen = seen ** random.uniform(0.85, 1.2)
    if random.random() < COLOUR_SHARE:
        dark, bright = random.uniform(0, 0.12, 3), random.uniform(0.72, 1.05, 3)
        seen = dark + (bright - dark) * seen[..., np.newaxis]
    photons = random.uniform(400, 1200)
    spread = np.sqrt(np.clip(seen, 0, None) / photons + random.uniform(0.008, 0.02) ** 2)
    seen = seen + spread * random.standard_normal(seen.shape)
    return np.asarray(np.clip(np.rint(255 * seen * random.uniform(0.8, 1.0)), 0, 255), np.uint8)


def _blurred(picture: FloatArray, width: float) -> FloatArray:
    """Blur by a Gaussian of so many pixels, edges repeated."""
    reach = int(np.ceil(3 * width))
    places = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (places / width) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        padding = [(reach, reach) if each == axis else (0, 0) for each in (0, 1)]
        padded = np.pad(picture, padding, mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(places), axis=axis)
        picture = (windows @ weights).astype(np.float32)
    return picture
