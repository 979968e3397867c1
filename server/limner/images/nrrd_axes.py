"""The axes of a NRRD header: which are space, which are channels, and where the volume lies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limner.errors import UnreadableImage, UnsupportedFormat
from limner.images.geometry import affine_of, checked_affine
from limner.plugin import Affine

_SPACES = {
    "right-anterior-superior": (1.0, 1.0),
    "ras": (1.0, 1.0),
    "left-anterior-superior": (-1.0, 1.0),
    "las": (-1.0, 1.0),
    "left-posterior-superior": (-1.0, -1.0),
    "lps": (-1.0, -1.0),
}
"""Signs that take x and y to RAS+; a space that is not named here is read as LPS, as ITK does."""

_DOMAIN = ("domain", "space")
_COLOUR_WITH_COVERAGE = ("rgba-color", "4-color")
_MM = {"m": 1000.0, "cm": 10.0, "mm": 1.0, "um": 0.001, "µm": 0.001, "μm": 0.001, "micron": 0.001}
_MOST_AXES = 16
_VECTOR = re.compile(r"none|\(([^()]*)\)")
_QUOTED = re.compile(r'"([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """What a header's per-axis fields come to."""

    sizes: tuple[int, ...]
    """Length of every axis in the file, fastest first."""
    shape: tuple[int, ...]
    """(3,), the spatial ones; a single slice has a third of length one."""
    channel_axis: int | None
    channels: int
    """Channels kept: without the coverage of RGBA."""
    affine: Affine
    """(4, 4) to RAS+ millimetres."""


def axes_of(path: Path, fields: dict[str, str]) -> Axes:
    """Read the per-axis fields.

    Raises:
        UnreadableImage: They contradict each other.
        UnsupportedFormat: Neither two nor three axes in space, or several beside them.
    """
    count = int(fields.get("dimension", "0"))
    sizes = tuple(int(size) for size in fields.get("sizes", "").split())
    if not 1 <= count <= _MOST_AXES or len(sizes) != count or min(sizes) < 1:
        raise UnreadableImage(
            f"{path.name}: its header says dimension {count} and sizes {sizes}; every axis needs "
            "one positive size."
        )
    vectors = _directions(path, fields, count)
    kinds = _kinds(path, fields, count)
    spatial = _spatial_axes(vectors, kinds, count)
    others = [axis for axis in range(count) if axis not in spatial]
    long_ones = [axis for axis in others if sizes[axis] > 1]
    if len(spatial) not in (2, 3) or len(long_ones) > 1:
        raise UnsupportedFormat(
            f"{path.name} has {len(spatial)} axes in space and {len(others)} others (sizes "
            f"{sizes}); two or three in space and one of channels are read."
        )
    channel_axis = next(iter(long_ones or others), None)
    sizes_kept = tuple(
        size for axis, size in enumerate(sizes) if axis in spatial or axis == channel_axis
    )
    channels = 1 if channel_axis is None else sizes[channel_axis]
    if channel_axis is not None and kinds[channel_axis] in _COLOUR_WITH_COVERAGE:
        channels = min(channels, 3)
    shape = tuple(sizes[axis] for axis in spatial) + (1,) * (3 - len(spatial))
    affine = checked_affine(_affine(fields, vectors, spatial), shape, path.name)
    return Axes(
        sizes=sizes_kept,
        shape=shape,
        # Axes of length one that were left out before it shift it down.
        channel_axis=None
        if channel_axis is None
        else sum(axis in spatial for axis in range(channel_axis)),
        channels=channels,
        affine=affine,
    )


def _directions(path: Path, fields: dict[str, str], count: int) -> list[list[float] | None] | None:
    text = fields.get("space directions")
    if text is None:
        return None
    found = [
        None if match[0] == "none" else [float(part) for part in match[1].split(",")]
        for match in _VECTOR.finditer(text)
    ]
    lengths = {len(vector) for vector in found if vector is not None}
    if len(found) != count or not lengths <= {2, 3} or len(lengths) != 1:
        raise UnreadableImage(
            f"{path.name}: its header has {count} axes, but space directions {text!r}."
        )
    return found


def _kinds(path: Path, fields: dict[str, str], count: int) -> list[str]:
    kinds = fields.get("kinds", "").lower().split()
    if kinds and len(kinds) != count:
        raise UnreadableImage(f"{path.name}: its header has {count} axes, but kinds {kinds}.")
    return kinds or ["???"] * count


def _spatial_axes(
    vectors: list[list[float] | None] | None, kinds: list[str], count: int
) -> list[int]:
    if vectors is not None:
        return [axis for axis, vector in enumerate(vectors) if vector is not None]
    if any(kind in _DOMAIN for kind in kinds):
        return [axis for axis, kind in enumerate(kinds) if kind in _DOMAIN]
    unnamed = [axis for axis, kind in enumerate(kinds) if kind in ("???", "none")]
    # Nothing is said: the first three are space, a fourth holds the channels, as in NIfTI.
    return unnamed[:3] if count > 1 else []


def _affine(
    fields: dict[str, str], vectors: list[list[float] | None] | None, spatial: list[int]
) -> Affine:
    directions = np.zeros((3, 3))
    if vectors is not None:
        for column, axis in enumerate(spatial):
            vector = vectors[axis] or []
            directions[: len(vector), column] = vector
    else:
        for column, step in enumerate(_spacings(fields, spatial)):
            directions[column, column] = step
    origin = np.zeros(3)
    match = _VECTOR.search(fields.get("space origin", ""))
    if match and match[1]:
        values = [float(part) for part in match[1].split(",")]
        origin[: len(values)] = values
    signs = _SPACES.get(fields.get("space", "").lower(), (-1.0, -1.0))
    factors = np.array([*signs, 1.0]) * _millimetres(fields)
    return affine_of(factors[:, np.newaxis] * directions, factors * origin)


def _spacings(fields: dict[str, str], spatial: list[int]) -> list[float]:
    given = [float(part) for part in fields.get("spacings", "").split()]
    steps = [given[axis] if axis < len(given) else 1.0 for axis in spatial]
    return [step if np.isfinite(step) and step else 1.0 for step in steps]


def _millimetres(fields: dict[str, str]) -> float:
    units = set(_QUOTED.findall(fields.get("space units", fields.get("units", ""))))
    factors = {_MM[unit] for unit in units if unit in _MM}
    return factors.pop() if len(factors) == 1 else 1.0
