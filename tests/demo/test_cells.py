"""The drawn pictures of cells: two kinds that touch and overlap, and every outline known."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from limner.demo.cell import random_cell
from limner.demo.cells import CLASSES, MOST_HIDDEN, SIDES, CellPicture, draw_cells


@pytest.fixture(scope="module")
def pictures() -> list[CellPicture]:
    return [draw_cells(1, index) for index in range(12)]


def test_the_same_seed_and_index_draw_the_same_picture() -> None:
    first, again, other, reseeded = (
        draw_cells(seed, index) for seed, index in ((3, 5), (3, 5), (3, 6), (4, 5))
    )
    assert np.array_equal(first.image, again.image)
    assert first.kinds == again.kinds
    assert all(np.array_equal(*pair) for pair in zip(first.masks, again.masks, strict=True))
    for each in (other, reseeded):
        assert first.image.shape != each.image.shape or not np.array_equal(first.image, each.image)


def test_pictures_are_small_of_eight_bits_and_grey_or_in_colour(
    pictures: list[CellPicture],
) -> None:
    assert {each.image.dtype for each in pictures} == {np.dtype(np.uint8)}
    assert {each.image.ndim for each in pictures} == {2, 3}
    for each in pictures:
        assert all(SIDES[0] <= side <= SIDES[1] for side in each.image.shape[:2])
        assert each.image.shape[2:] in ((), (3,))
        assert {mask.shape for mask in each.masks} == {each.image.shape[:2]}
        assert (each.image == 255).mean() < 0.02, "the light must not burn the picture out"


def test_both_kinds_are_in_every_picture_and_one_is_much_longer(
    pictures: list[CellPicture],
) -> None:
    stretches: dict[str, list[float]] = {kind: [] for kind in CLASSES}
    for each in pictures:
        assert set(each.kinds) == set(CLASSES)
        assert 8 <= len(each.kinds) <= 30
        for mask, kind in zip(each.masks, each.kinds, strict=True):
            variances = np.linalg.eigvalsh(np.cov(np.nonzero(mask)))
            stretches[kind].append(float(np.sqrt(variances[1] / variances[0])))
    assert np.median(stretches["round"]) < 1.4
    assert np.median(stretches["spindle"]) > 2.5


def test_cells_overlap_and_touch_yet_none_is_hidden(pictures: list[CellPicture]) -> None:
    overlapping = touching = 0
    for each in pictures:
        for one, other in combinations(each.masks, 2):
            shared = int((one & other).sum())
            assert shared <= MOST_HIDDEN * min(one.sum(), other.sum())
            overlapping += shared > 0
            touching += not shared and bool((_grown(one) & other).any())
    assert overlapping > 3 * len(pictures)
    assert touching > len(pictures) / 4


def test_brightness_alone_does_not_find_the_cells(pictures: list[CellPicture]) -> None:
    """The best band of brightness, chosen with the outlines in hand, overlaps them poorly."""
    best = []
    for each in pictures:
        grey = each.image if each.image.ndim == 2 else each.image.mean(axis=2)
        inside = np.logical_or.reduce(each.masks)
        dices = []
        for low in np.percentile(grey, np.arange(0, 100, 5)):
            band = grey >= low
            dices.append(2 * (band & inside).sum() / (band.sum() + inside.sum()))
        best.append(max(dices))
    assert np.mean(best) < 0.8


def test_an_outline_is_deepest_inside_and_about_as_large_as_it_says() -> None:
    random = np.random.default_rng(0)
    rows, columns = np.indices((80, 80)).astype(np.float32)
    for kind in CLASSES:
        cell = random_cell(kind, (40.0, 40.0), 1.0, random)
        inside = cell.depth(rows, columns) > 0
        assert inside[40, 40]
        assert not inside[0].any()
        spread = np.argwhere(inside) - 40
        assert np.hypot(*spread.T).max() == pytest.approx(cell.length, rel=0.25)


def _grown(mask: np.typing.NDArray[np.bool_]) -> np.typing.NDArray[np.bool_]:
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown
