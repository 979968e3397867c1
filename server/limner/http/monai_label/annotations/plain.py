"""Numbers as the formats of drawings write them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_DIGITS = 3
"""Decimal places of a coordinate: outlines are halves of pixels, boxes may be anything."""


def number(value: float) -> int | float:
    """Return a coordinate of few digits, without a point where it is whole."""
    rounded = round(float(value), _DIGITS)
    return int(rounded) if rounded.is_integer() else rounded


def points(polygon: npt.NDArray[Any]) -> list[list[int | float]]:
    """Return the corners of an outline, (n, 2), as lists of x and y."""
    return [[number(each) for each in corner] for corner in polygon.astype(np.float64).tolist()]
