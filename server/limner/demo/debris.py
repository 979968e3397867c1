"""What lies in a dish beside cells: dust, bubbles, a fibre, and cells far out of focus."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


def with_debris(tissue: FloatArray, random: np.random.Generator) -> FloatArray:
    """Add debris to a picture.

    Args:
        tissue: float32 (rows, columns), about 0 to 1.
        random: Decides everything.
    """
    places: FloatArray = np.indices(tissue.shape, np.float32)
    rows, columns = places[0], places[1]
    added = np.zeros_like(tissue)

    def distance() -> FloatArray:
        row, column = random.uniform(0, tissue.shape[0]), random.uniform(0, tissue.shape[1])
        return np.asarray(np.hypot(rows - row, columns - column), np.float32)

    for _ in range(int(random.integers(1, 4))):  # far out of focus: large, and without an edge
        strength = random.uniform(0.08, 0.16) * random.choice([-1, 1])
        added += strength * np.exp(-((distance() / random.uniform(8, 13)) ** 2))
    for _ in range(int(random.integers(10, 25))):  # dust
        strength = random.uniform(0.15, 0.5) * random.choice([-1, 1], p=[0.3, 0.7])
        added += strength * np.exp(-((distance() / random.uniform(0.8, 1.7)) ** 2))
    for _ in range(int(random.integers(2, 6))):  # bubbles: bright rings, smaller than any cell
        ring = (distance() - random.uniform(2, 3.2)) / 0.9
        added += random.uniform(0.2, 0.4) * np.exp(-(ring**2))
    if random.random() < 0.5:
        added += random.uniform(0.15, 0.3) * _fibre(rows, columns, random)
    return np.asarray(tissue + added, np.float32)


def _fibre(rows: FloatArray, columns: FloatArray, random: np.random.Generator) -> FloatArray:
    """Return a thin curved line across the picture, 0 to 1."""
    angle = random.uniform(0, np.pi)
    middle = (rows.shape[0] / 2, rows.shape[1] / 2)
    down, right = rows - middle[0], columns - middle[1]
    along = np.cos(angle) * right + np.sin(angle) * down
    across = np.cos(angle) * down - np.sin(angle) * right
    curve = random.uniform(-40, 40) + random.uniform(4, 12) * np.sin(
        along / random.uniform(18, 40) + random.uniform(0, 2 * np.pi)
    )
    return np.asarray(np.exp(-(((across - curve) / 0.9) ** 2)), np.float32)
