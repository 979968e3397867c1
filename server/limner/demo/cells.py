"""Pictures of cells with known outlines: two kinds that touch and overlap, among debris.

Round cells have a bright edge and a dark nucleus, spindles are long and full of grains. Many are
put against another one, so neither a threshold nor connected pixels tell them apart; where two
overlap, the one below shows through, and both outlines are whole. Dust, bubbles, a fibre and cells
far out of focus look a little like them and are neither. The microscope's part is in
`limner.demo.microscope`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from limner.demo.cell import Cell, Kind, random_cell
from limner.demo.debris import with_debris
from limner.demo.microscope import photographed
from limner.simulate.smooth_noise import smooth_noise

CLASSES: tuple[Kind, ...] = ("round", "spindle")

SIDES = (128, 160)
"""Shortest and longest side of a picture, in pixels."""
MOST_HIDDEN = 0.3
"""Largest share of a cell that lies under or over another one."""
LEAST_SEEN = 0.6
"""Smallest share of a cell that lies inside of the picture."""
_TRIES = 400
_FARTHEST = 40
"""Pixels from its centre within which every cell lies."""
_GROUND = 0.34

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellPicture:
    """One drawn picture."""

    image: npt.NDArray[np.uint8]
    """(rows, columns), or (rows, columns, 3) where it is in colour."""
    masks: tuple[BoolArray, ...]
    """(rows, columns) each: every cell whole, also where another covers it."""
    kinds: tuple[Kind, ...]
    """What each of them is."""


def draw_cells(seed: int, index: int) -> CellPicture:
    """Draw a picture; the same seed and index give the same one.

    Args:
        seed: Of the data set.
        index: Of the picture in it.
    """
    random = np.random.default_rng([seed, index])
    shape = tuple(int(side) for side in random.integers(SIDES[0], SIDES[1] + 1, 2))
    rows, columns = np.indices(shape, np.float32)
    tissue = (_GROUND + 0.015 * smooth_noise(shape, 3, random)).astype(np.float32)
    tissue = with_debris(tissue, random)
    masks, kinds = [], []
    for cell, depth in _placed(rows, columns, random):
        tissue = _painted(tissue, cell, depth, (rows, columns), random)
        masks.append(depth > 0)
        kinds.append(cell.kind)
    image = photographed(tissue, random)
    return CellPicture(image=image, masks=tuple(masks), kinds=tuple(kinds))


def _placed(
    rows: FloatArray, columns: FloatArray, random: np.random.Generator
) -> list[tuple[Cell, FloatArray]]:
    """Place cells, the lowest first, with the depth of every pixel inside each."""
    size = random.uniform(0.9, 1.12)
    wanted = round(rows.size / random.uniform(900, 1500))
    share_round = random.uniform(0.35, 0.65)
    placed: list[tuple[Cell, FloatArray]] = []
    for _ in range(_TRIES):
        if len(placed) == wanted:
            break
        kind: Kind = "round" if random.random() < share_round else "spindle"
        centre = (random.uniform(0, rows.shape[0]), random.uniform(0, rows.shape[1]))
        cell = random_cell(kind, centre, size, random)
        if placed and random.random() < 0.6:
            cell = _beside(placed[int(random.integers(len(placed)))][0], cell, size, random)
        depth = cell.depth(rows, columns)
        if _is_visible(cell, depth, placed):
            placed.append((cell, depth))
    return placed


def _beside(other: Cell, cell: Cell, size: float, random: np.random.Generator) -> Cell:
    """Return a cell of the same kind at about the place where its outline meets another one's."""
    angle = random.uniform(0, 2 * np.pi)
    apart = sum(_reach(each, angle) for each in (other, cell)) * random.uniform(0.75, 1.0)
    centre = (other.centre[0] + apart * np.sin(angle), other.centre[1] + apart * np.cos(angle))
    return random_cell(cell.kind, centre, size, random)


def _reach(cell: Cell, angle: float) -> float:
    """Return about how far a cell reaches from its centre in a direction."""
    if cell.kind == "round":
        return cell.length
    return float(
        np.hypot(cell.length * np.cos(angle - cell.turn), cell.width * np.sin(angle - cell.turn))
    )


def _is_visible(cell: Cell, depth: FloatArray, placed: list[tuple[Cell, FloatArray]]) -> bool:
    """Tell whether enough of a cell, and of all those before it, would be seen."""
    mask = depth > 0
    rows, columns = np.indices((2 * _FARTHEST + 1,) * 2, np.float32) - np.float32(_FARTHEST)
    whole = int((cell.depth(rows + cell.centre[0], columns + cell.centre[1]) > 0).sum())
    area = int(mask.sum())
    if area < LEAST_SEEN * whole:
        return False
    covered = np.zeros_like(mask)
    for _, other in placed:
        theirs = other > 0
        if (mask & theirs).sum() > MOST_HIDDEN * theirs.sum():
            return False
        covered |= theirs
    return bool((mask & covered).sum() <= MOST_HIDDEN * area)


def _painted(
    tissue: FloatArray,
    cell: Cell,
    depth: FloatArray,
    places: tuple[FloatArray, FloatArray],
    random: np.random.Generator,
) -> FloatArray:
    """Put a cell over what is there; a part of that shows through."""
    edge = random.uniform(0.8, 1.2)
    if cell.kind == "round":
        inside = random.uniform(0.3, 0.42) + 0.015 * smooth_noise(depth.shape, 1.5, random)
        rim = random.uniform(0.3, 0.45) * edge
        inside = inside + rim * np.exp(-(((depth - 1.2) / 1.3) ** 2))
        nucleus = _nucleus(cell, places, random)
        inside = inside - random.uniform(0.1, 0.18) * nucleus
    else:
        grains = smooth_noise(depth.shape, 0.9, random)
        inside = random.uniform(0.44, 0.56) + random.uniform(0.09, 0.13) * grains
        inside = inside + 0.12 * edge * np.exp(-(((depth - 0.5) / 1.0) ** 2))
    through = random.uniform(0.2, 0.4)
    seen = inside + through * (tissue - _GROUND)
    share = np.clip(0.5 + depth, 0, 1)
    # A thin dark line outside, as light bends around an edge.
    halo = 0.07 * edge * np.exp(-(((depth + 1.5) / 1.3) ** 2))
    return np.asarray(tissue - halo * (1 - share) + share * (seen - tissue), np.float32)


def _nucleus(
    cell: Cell, places: tuple[FloatArray, FloatArray], random: np.random.Generator
) -> FloatArray:
    """Return how much of a pixel is nucleus, 0 to 1: a soft disc a little off the centre."""
    row, column = np.asarray(cell.centre) + random.normal(0, 0.15 * cell.length, 2)
    distance = np.hypot(places[0] - row, places[1] - column)
    radius = cell.length * random.uniform(0.3, 0.42)
    return np.asarray(1 / (1 + np.exp(2 * (distance - radius))), np.float32)
