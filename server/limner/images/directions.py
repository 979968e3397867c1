"""Which way the edges of an image run: a histogram of gradient directions, in 2D and in 3D."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from limner.images.area_mean import area_mean

_Doubles = npt.NDArray[np.float64]

_HALVES = 2
"""Parts of each axis that have a histogram of their own."""
_FAINT = 1e-3
"""Edges fainter than this altogether count for little rather than being blown up."""


def direction_shares(grey: _Doubles) -> _Doubles:
    """Return how strong the edges are in each direction, in each part of an image.

    A gradient and its opposite are one direction. Each is shared among the directions nearest to
    it: what its length along a direction exceeds of that of a neighbouring direction (Kläser,
    Marszalek and Schmid 2008, A spatio-temporal descriptor based on 3D-gradients), so that a small
    turn changes little. All together have the length 1.

    Args:
        grey: (*spatial), two or three axes.

    Returns:
        (8, 2, 2) of a picture, (6, 2, 2, 2) of a volume, at least 0; zeros where nothing changes.
    """
    axes, threshold = _directions(grey.ndim)
    gradient = np.stack([_slope(grey, axis) for axis in range(grey.ndim)])
    size = np.sqrt((gradient**2).sum(axis=0))
    votes = np.abs(np.tensordot(axes, gradient, axes=1)) - threshold * size
    np.maximum(votes, 0.0, out=votes)
    total = votes.sum(axis=0)
    votes *= np.divide(size, total, out=np.zeros_like(size), where=total > 0)
    shares = area_mean(votes, (_HALVES,) * grey.ndim)
    length = np.sqrt((shares**2).sum() + _FAINT**2)
    found: _Doubles = shares / length
    return found


def _slope(grey: _Doubles, axis: int) -> _Doubles:
    if grey.shape[axis] < 2:
        return np.zeros_like(grey)
    slope: _Doubles = np.gradient(grey, axis=axis)
    return slope


@cache
def _directions(dimensions: int) -> tuple[_Doubles, float]:
    """Return evenly spread directions, and how long one is along its neighbour.

    Of a picture eight, pi / 8 apart; of a volume the six axes through an icosahedron's corners.
    """
    if dimensions == 2:
        angles = np.arange(8) * np.pi / 8
        axes = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    else:
        golden = (1 + np.sqrt(5)) / 2
        corners = [(0, 1, golden), (1, golden, 0), (golden, 0, 1)]
        corners += [(0, -1, golden), (-1, golden, 0), (golden, 0, -1)]
        axes = np.array(corners) / np.sqrt(1 + golden**2)
    among = np.abs(axes @ axes.T)
    return axes, float(among[~np.eye(len(axes), dtype=bool)].max())
