"""Small pictures of tissue, each of one texture: fibres, grains or a mesh.

All three are made of the same kind of noise, with the same brightness, contrast and size of
structures on average, so that neither a histogram nor a spectrum without directions tells them
apart. Some of another texture shines through, and scratches, specks, uneven light and noise lie
over all. The classes are not equally frequent, as in a clinic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from limner.simulate.smooth_noise import smooth_noise

CLASSES = ("fibres", "grains", "mesh")
SHARES = (0.55, 0.3, 0.15)
"""How often each occurs."""

SIDE = 32
"""Rows, and columns, in pixels."""
_SHAPE = (SIDE, SIDE)
_STRETCH = 4.0
"""How much longer than wide a fibre is."""

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class TexturePicture:
    """One drawn picture."""

    image: npt.NDArray[np.uint8]
    """(SIDE, SIDE)."""
    kind: str
    """The texture that most of it is."""


def draw_texture(seed: int, index: int) -> TexturePicture:
    """Draw a picture; the same seed and index give the same one.

    Args:
        seed: Of the data set.
        index: Of the picture in it.
    """
    random = np.random.default_rng([seed, index])
    kind, other = (str(each) for each in random.choice(CLASSES, 2, replace=False, p=SHARES))
    width = random.uniform(1.1, 1.8)
    pattern = _pattern(kind, width, random)
    pattern = pattern + random.uniform(0, 0.4) * _pattern(other, width, random)
    pattern = _scaled(pattern) * random.uniform(0.08, 0.16) + random.uniform(0.35, 0.6)
    pattern = _with_flaws(pattern, random)
    light = np.exp(random.uniform(0.1, 0.25) * smooth_noise(_SHAPE, 16, random))
    seen = pattern * light + random.uniform(0.02, 0.06) * random.standard_normal(_SHAPE)
    return TexturePicture(
        image=np.asarray(np.clip(np.rint(255 * seen), 0, 255), np.uint8), kind=kind
    )


def _pattern(kind: str, width: float, random: np.random.Generator) -> FloatArray:
    """Draw a texture of mean 0 and deviation 1, with structures of about so many pixels."""
    if kind == "fibres":
        return _fibres(width, random)
    if kind == "grains":
        return _scaled(np.clip(smooth_noise(_SHAPE, width, random), 0.3, 2.0))
    # Bright where the noise passes through zero: lines that close and branch.
    noise = smooth_noise(_SHAPE, 1.6 * width, random)
    return _scaled(np.exp(-((noise / 0.35) ** 2)))


def _fibres(width: float, random: np.random.Generator) -> FloatArray:
    """Smooth noise that is longer along a random direction than across it."""
    padded = 2 * SIDE  # room beyond the edges, so that one side does not continue the other
    down, right = np.meshgrid(np.fft.fftfreq(padded), np.fft.fftfreq(padded), indexing="ij")
    angle = random.uniform(0, np.pi)
    along = np.cos(angle) * right + np.sin(angle) * down
    across = np.cos(angle) * down - np.sin(angle) * right
    passes = np.exp(-2 * (np.pi * width) ** 2 * ((_STRETCH * along) ** 2 + across**2))
    spectrum = np.fft.fft2(random.standard_normal((padded, padded))) * passes
    return _scaled(np.fft.ifft2(spectrum).real[:SIDE, :SIDE])


def _with_flaws(pattern: FloatArray, random: np.random.Generator) -> FloatArray:
    """Add specks and, often, a scratch: brighter or darker than the tissue."""
    rows, columns = np.indices(_SHAPE, np.float32)
    for _ in range(int(random.integers(0, 5))):
        distance = np.hypot(rows - random.uniform(0, SIDE), columns - random.uniform(0, SIDE))
        strength = random.uniform(0.15, 0.4) * random.choice([-1, 1])
        pattern = pattern + strength * np.exp(-((distance / random.uniform(1.5, 4)) ** 2))
    if random.random() < 0.4:
        angle = random.uniform(0, np.pi)
        distance = np.cos(angle) * rows + np.sin(angle) * columns
        distance = distance - random.uniform(distance.min(), distance.max())
        strength = random.uniform(0.15, 0.35) * random.choice([-1, 1])
        pattern = pattern + strength * np.exp(-(distance**2))
    return np.asarray(pattern, np.float32)


def _scaled(pattern: npt.NDArray[np.floating]) -> FloatArray:
    """Bring a pattern to mean 0 and deviation 1."""
    return np.asarray((pattern - pattern.mean()) / pattern.std(), np.float32)
