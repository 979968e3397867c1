"""Outlines of single cells: round ones, and spindles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

Kind = Literal["round", "spindle"]

_HARMONICS = (2, 3, 4)
"""Waves around a round outline; more make it frayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One outline; all lengths in pixels."""

    kind: Kind
    centre: tuple[float, float]
    """Row and column."""
    turn: float
    """Angle of the long axis, in radians."""
    length: float
    """Half of it: from the centre to a tip; the radius of a round cell."""
    width: float
    """Half of it, at the centre; of no meaning for a round cell."""
    bend: float
    """How far the tips lie off the axis."""
    waves: tuple[float, ...]
    """How much a round outline is dented, as shares of its radius, one for each harmonic."""

    def depth(self, rows: FloatArray, columns: FloatArray) -> FloatArray:
        """Measure how deep places lie inside, in pixels; negative outside.

        Near the outline it is about the distance to it.

        Args:
            rows: float32, any shape.
            columns: Likewise.
        """
        down, right = rows - self.centre[0], columns - self.centre[1]
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        along, across = cos * right + sin * down, cos * down - sin * right
        if self.kind == "round":
            angle = np.arctan2(across, along)
            pairs = zip(_HARMONICS, self.waves, strict=True)
            dents = sum(wave * np.cos(each * angle) for each, wave in pairs)
            return np.asarray(self.length * (1 + dents) - np.hypot(along, across), np.float32)
        share = np.clip(np.abs(along) / self.length, 0, 2)
        across = across - self.bend * share**2
        # A lens with blunt tips; beyond them it goes on falling.
        half = self.width * np.sign(1 - share) * np.abs(1 - share**2) ** 0.75
        return np.asarray(half - np.abs(across), np.float32)


def random_cell(
    kind: Kind, centre: tuple[float, float], size: float, random: np.random.Generator
) -> Cell:
    """Draw a cell of a kind.

    Args:
        kind: Decides shape and proportions.
        centre: Row and column.
        size: About 1; scales all lengths.
        random: Decides the rest.
    """
    is_round = kind == "round"
    return Cell(
        kind=kind,
        centre=centre,
        turn=random.uniform(0, np.pi),
        length=size * (random.uniform(7.5, 10.5) if is_round else random.uniform(14, 20)),
        width=size * random.uniform(4.2, 5.6),
        bend=0.0 if is_round else random.uniform(-4, 4),
        waves=tuple(float(random.normal(0, 0.2 / each**2)) for each in _HARMONICS),
    )
