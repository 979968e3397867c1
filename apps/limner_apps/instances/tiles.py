"""Cutting a large image into overlapping tiles, and joining what was found in them.

An object in the overlap of two tiles is seen by both, and one that a tile's edge cuts is seen there
in part. Two findings are of one object when their masks agree within the part that both tiles see,
whatever their classes. Of the findings of an object the one that no edge cuts stays; where every
tile cuts it, they are united. What one tile found alone stays if it lies where that tile sees best:
elsewhere a neighbour had the better view and saw nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from limner.plugin import window
from limner_apps.instances.detections import Detections, no_detections
from limner_apps.instances.overlap import box_intersections, shared_pixels

_SAME = 0.5
"""Least agreement, intersection over union within the shared part, of one object's findings."""
_AT_EDGE = 1.5
"""Pixels from a tile's edge within which an object counts as cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A rectangle of an image, in its pixels."""

    first: tuple[int, int]
    """Row and column of its first pixel."""
    last: tuple[int, int]
    """One past its last pixel."""
    core_first: tuple[float, float]
    """Where the part begins that no other tile sees better."""
    core_last: tuple[float, float]
    """Where that part ends."""


def cut_tiles(shape: tuple[int, int], side: int, overlap: int) -> list[Tile]:
    """Cover an image with tiles of at most `side`, each reaching `overlap` into its neighbours."""
    axes = [_spans(length, side, overlap) for length in shape]
    return [
        Tile(
            first=(rows[0], columns[0]),
            last=(rows[1], columns[1]),
            core_first=(rows[2], columns[2]),
            core_last=(rows[3], columns[3]),
        )
        for rows, columns in itertools.product(*axes)
    ]


def _spans(length: int, side: int, overlap: int) -> list[tuple[int, int, float, float]]:
    """Return the first and last pixel of each span along an axis, and those of its core."""
    if length <= side:
        return [(0, length, -np.inf, np.inf)]
    step = max(1, side - overlap)
    count = -(-(length - side) // step) + 1
    starts = [round(index * (length - side) / (count - 1)) for index in range(count)]
    middles = [0.5 * (before + side + after) for before, after in itertools.pairwise(starts)]
    cores = [-np.inf, *middles, np.inf]
    return [
        (start, start + side, cores[index], cores[index + 1]) for index, start in enumerate(starts)
    ]


def join_tiles(tiles: Sequence[Tile], found: Sequence[Detections], classes: int) -> Detections:
    """Join what was found in the tiles of an image.

    Args:
        tiles: Where they are.
        found: In each, in pixels of the whole image.
        classes: Classes, background left out.
    """
    objectness = max((each.objectness for each in found), default=0.0)
    if len(tiles) == 1:
        return found[0]
    owner = np.concatenate([np.full(len(each.boxes), i) for i, each in enumerate(found)])
    if not len(owner):
        return no_detections(classes, objectness)
    everything = Detections(
        boxes=np.concatenate([each.boxes for each in found]),
        masks=tuple(mask for each in found for mask in each.masks),
        probabilities=np.concatenate([each.probabilities for each in found]),
        objectness=objectness,
    )
    groups = _groups(tiles, everything, owner)
    views = [tiles[index] for index in owner]
    cut = [_is_cut(tile, tiles, box) for tile, box in zip(views, everything.boxes, strict=True)]
    owned = [_is_owned(tile, box) for tile, box in zip(views, everything.boxes, strict=True)]
    scores = everything.scores
    kept: list[Detections] = []
    for group in groups:
        if len(group) == 1 and not owned[group[0]]:
            continue
        whole = [row for row in group if not cut[row]]
        if whole or len(group) == 1:
            best = max(whole or group, key=lambda row: (owned[row], scores[row]))
            kept.append(everything.rows([best]))
        else:
            kept.append(_united(everything.rows(group)))
    if not kept:
        return no_detections(classes, objectness)
    return Detections(
        boxes=np.concatenate([each.boxes for each in kept]),
        masks=tuple(each.masks[0] for each in kept),
        probabilities=np.concatenate([each.probabilities for each in kept]),
        objectness=objectness,
    )


def _groups(
    tiles: Sequence[Tile], everything: Detections, owner: npt.NDArray[np.int64]
) -> list[list[int]]:
    """Put the findings of one object together."""
    parent = list(range(len(owner)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    rows_of = [np.flatnonzero(owner == index) for index in range(len(tiles))]
    for one, other in itertools.combinations(range(len(tiles)), 2):
        low = np.maximum(tiles[one].first, tiles[other].first)
        high = np.minimum(tiles[one].last, tiles[other].last)
        if (low >= high).any():
            continue
        shared = np.concatenate([low, high])
        first, second = (_reaching(everything, rows_of[index], shared) for index in (one, other))
        touching = box_intersections(everything.boxes[first], everything.boxes[second]) > 0
        for i, j in zip(*np.nonzero(touching), strict=True):
            a, b = int(first[i]), int(second[j])
            if _agreement(everything, a, b, shared) > _SAME:
                parent[root(b)] = root(a)
    groups: dict[int, list[int]] = {}
    for row in range(len(owner)):
        groups.setdefault(root(row), []).append(row)
    return list(groups.values())


def _reaching(
    everything: Detections, rows: npt.NDArray[np.int64], shared: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    return rows[box_intersections(everything.boxes[rows], shared[None])[:, 0] > 0]


def _agreement(
    everything: Detections, one: int, other: int, shared: npt.NDArray[np.int64]
) -> float:
    """Return the intersection over union of two masks within a rectangle."""
    pair = [(everything.boxes[row], everything.masks[row]) for row in (one, other)]
    whole = np.ones(tuple(shared[2:] - shared[:2]), bool)
    common = shared_pixels(*pair[0], *pair[1])
    union = sum(shared_pixels(box, mask, shared, whole) for box, mask in pair) - common
    return common / union if union else 0.0


def _is_cut(tile: Tile, tiles: Sequence[Tile], box: npt.NDArray[np.float32]) -> bool:
    """Tell whether a tile's edge, other than the image's own, touches the box."""
    end = np.max([each.last for each in tiles], axis=0)
    for axis in (0, 1):
        if tile.first[axis] > 0 and box[axis] < tile.first[axis] + _AT_EDGE:
            return True
        if tile.last[axis] < end[axis] and box[2 + axis] > tile.last[axis] - _AT_EDGE:
            return True
    return False


def _is_owned(tile: Tile, box: npt.NDArray[np.float32]) -> bool:
    """Tell whether the middle of the box lies in the tile's core; on a border the first has it."""
    middles = [0.5 * float(box[axis] + box[2 + axis]) for axis in (0, 1)]
    return all(
        low <= middle < high
        for low, middle, high in zip(tile.core_first, middles, tile.core_last, strict=True)
    )


def _united(parts: Detections) -> Detections:
    """Make one object of its parts, with the mean of what they say of its class."""
    box = np.concatenate([parts.boxes[:, :2].min(axis=0), parts.boxes[:, 2:].max(axis=0)])
    covered = window(box)
    mask = np.zeros(tuple(axis.stop - axis.start for axis in covered), bool)
    for part_box, part in zip(parts.boxes, parts.masks, strict=True):
        place = tuple(
            slice(inner.start - outer.start, inner.stop - outer.start)
            for inner, outer in zip(window(part_box), covered, strict=True)
        )
        mask[place] |= part
    return Detections(
        boxes=box[None],
        masks=(mask,),
        probabilities=parts.probabilities.mean(axis=0, keepdims=True),
        objectness=parts.objectness,
    )
