"""Covering images with tiles, and joining what is found in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from limner.plugin import instance_boxes, window
from limner_apps.instances.detections import Detections
from limner_apps.instances.tiles import Tile, cut_tiles, join_tiles

Box = tuple[int, int, int, int]


def seen(tile: Tile, boxes: Sequence[Box]) -> Detections:
    """What a perfect network finds in a tile: the part of every object that is inside."""
    parts = []
    for top, left, bottom, right in boxes:
        part = (
            max(top, tile.first[0]),
            max(left, tile.first[1]),
            min(bottom, tile.last[0]),
            min(right, tile.last[1]),
        )
        if part[0] < part[2] and part[1] < part[3]:
            parts.append(part)
    return Detections(
        boxes=np.asarray(parts, np.float32).reshape(-1, 4),
        masks=tuple(np.ones((b[2] - b[0], b[3] - b[1]), bool) for b in parts),
        probabilities=np.tile(np.array([[0.1, 0.9]], np.float32), (len(parts), 1)),
        objectness=0.9,
    )


def joined(shape: tuple[int, int], boxes: Sequence[Box], side: int, overlap: int) -> list[Box]:
    tiles = cut_tiles(shape, side, overlap)
    found = join_tiles(tiles, [seen(tile, boxes) for tile in tiles], 1)
    assert all(
        mask.shape == tuple(s.stop - s.start for s in window(box)) and mask.all()
        for box, mask in zip(found.boxes, found.masks, strict=True)
    )
    return sorted(tuple(int(x) for x in box) for box in found.boxes)  # type: ignore[misc]


def test_tiles_cover_every_pixel_and_reach_into_their_neighbours() -> None:
    covered: npt.NDArray[np.int64] = np.zeros((100, 70), np.int64)
    tiles = cut_tiles((100, 70), 40, 10)
    for tile in tiles:
        assert tile.last[0] - tile.first[0] == tile.last[1] - tile.first[1] == 40
        covered[tile.first[0] : tile.last[0], tile.first[1] : tile.last[1]] += 1
    assert covered.min() == 1
    assert len(tiles) == 6


def test_an_image_that_fits_is_one_tile() -> None:
    assert [(t.first, t.last) for t in cut_tiles((30, 40), 40, 10)] == [((0, 0), (30, 40))]


def test_every_point_lies_in_the_core_of_one_tile() -> None:
    tiles = cut_tiles((100, 100), 40, 12)
    for point in np.random.default_rng(0).uniform(0, 100, (200, 2)):
        owners = [
            tile
            for tile in tiles
            if all(
                low <= at < high
                for low, at, high in zip(tile.core_first, point, tile.core_last, strict=True)
            )
        ]
        assert len(owners) == 1


def test_objects_are_found_once_wherever_the_seams_run() -> None:
    random = np.random.default_rng(1)
    numbered = np.zeros((150, 150), np.int64)
    for number in range(1, 60):
        row, column = random.integers(0, 138, 2)
        height, width = random.integers(3, 12, 2)
        if not numbered[row : row + height, column : column + width].any():
            numbered[row : row + height, column : column + width] = number
    boxes: list[Box] = [tuple(int(x) for x in box) for box in instance_boxes(numbered)[1]]  # type: ignore[misc]
    assert joined((150, 150), boxes, 50, 16) == sorted(boxes)


def test_an_object_larger_than_any_tile_is_put_together_from_its_parts() -> None:
    assert joined((40, 120), [(10, 5, 20, 115)], 40, 16) == [(10, 5, 20, 115)]


def test_neighbours_on_both_sides_of_a_seam_stay_two() -> None:
    # The seam of the cores runs at column 50.
    boxes: list[Box] = [(10, 42, 20, 50), (10, 50, 20, 58)]
    assert joined((60, 100), boxes, 60, 20) == boxes


def test_what_one_tile_alone_sees_near_its_edge_is_left_to_the_neighbour() -> None:
    tiles = cut_tiles((60, 100), 60, 20)
    ghost = seen(tiles[0], [(10, 54, 20, 60)])
    nothing = seen(tiles[1], [])
    assert len(join_tiles(tiles, [ghost, nothing], 1).boxes) == 0
    inside = seen(tiles[0], [(10, 20, 20, 30)])
    assert len(join_tiles(tiles, [inside, nothing], 1).boxes) == 1


def test_joining_nothing_keeps_the_strongest_objectness() -> None:
    tiles = cut_tiles((60, 100), 60, 20)
    found = join_tiles(tiles, [seen(tile, []) for tile in tiles], 1)
    assert len(found.boxes) == 0
    assert found.objectness == pytest.approx(0.9)
