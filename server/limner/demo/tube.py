"""Bent, tapering tubes: the building block of organ-like shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

POINTS = 40
"""Spheres along a tube's middle line; their envelope is its surface."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tube:
    """A tube along a curve; all lengths in millimetres.

    The middle line runs along the second axis, bends towards the first as a parabola and towards
    the third as half a wave, and is then turned about the third axis and moved.
    """

    centre: tuple[float, float, float]
    length: float
    bend: float
    """How far the ends lie from the straight line."""
    lift: float
    """How far the middle is raised along the third axis."""
    turn: float
    """Angle about the third axis, in radians."""
    thick: float
    """Radius at the start."""
    thin: float
    """Radius at the end."""
    flatness: float = 1.0
    """How much wider than high; 1 is round."""

    def line(self) -> FloatArray:
        """Return points of the middle line, float32 (POINTS, 3)."""
        t = np.linspace(0, 1, POINTS)
        x = self.bend * (2 * t - 1) ** 2 - self.bend / 2
        y = self.length * (t - 0.5)
        z = self.lift * np.sin(np.pi * t) - self.lift / 2
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        points = np.stack([cos * x - sin * y, sin * x + cos * y, z], axis=1)
        moved: FloatArray = (points + np.asarray(self.centre)).astype(np.float32)
        return moved

    def radii(self) -> FloatArray:
        """Return the radius at each of those points, float32 (POINTS,)."""
        t = np.linspace(0, 1, POINTS)
        return (self.thick + (self.thin - self.thick) * t**0.8).astype(np.float32)

    def distance(self, places: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Measure how far places lie from the surface.

        Args:
            places: float32 (3, *spatial), in millimetres.

        Returns:
            The distance, negative inside, and where along the tube the nearest part is, 0 at its
            start and 1 at its end; both float32 (*spatial).
        """
        best = np.full(places.shape[1:], np.inf, np.float32)
        along = np.zeros(places.shape[1:], np.float32)
        pairs = zip(self.line(), self.radii(), strict=True)
        for index, (point, radius) in enumerate(pairs):
            x, y, z = (places[axis] - point[axis] for axis in range(3))
            here = np.sqrt(x * x + y * y + (z * self.flatness) ** 2) - radius
            nearer = here < best
            best[nearer] = here[nearer]
            along[nearer] = index / (POINTS - 1)
        return best, along
