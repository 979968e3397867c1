"""The drawn textures: three classes, unequally frequent, and not to be told by brightness."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from limner.demo.textures import CLASSES, SHARES, SIDE, TexturePicture, draw_texture


@pytest.fixture(scope="module")
def pictures() -> list[TexturePicture]:
    return [draw_texture(1, index) for index in range(400)]


def test_the_same_seed_and_index_draw_the_same_picture() -> None:
    first, again, other, reseeded = (
        draw_texture(seed, index) for seed, index in ((3, 5), (3, 5), (3, 6), (4, 5))
    )
    assert np.array_equal(first.image, again.image)
    assert first.kind == again.kind
    assert not np.array_equal(first.image, other.image)
    assert not np.array_equal(first.image, reseeded.image)


def test_pictures_are_small_and_grey(pictures: list[TexturePicture]) -> None:
    assert {each.image.shape for each in pictures} == {(SIDE, SIDE)}
    assert {each.image.dtype for each in pictures} == {np.dtype(np.uint8)}


def test_classes_are_about_as_frequent_as_they_say(pictures: list[TexturePicture]) -> None:
    counts = Counter(each.kind for each in pictures)
    for kind, share in zip(CLASSES, SHARES, strict=True):
        assert counts[kind] / len(pictures) == pytest.approx(share, abs=0.06)


def test_neither_brightness_nor_contrast_tells_the_classes(
    pictures: list[TexturePicture],
) -> None:
    """The best threshold between two classes, chosen with the labels in hand, is little use."""
    for feature in (np.mean, np.std):
        values = {
            kind: np.array([feature(each.image) for each in pictures if each.kind == kind])
            for kind in CLASSES
        }
        for one in CLASSES:
            for other in set(CLASSES) - {one}:
                recalls = [
                    (values[one] >= at).mean() + (values[other] < at).mean() for at in values[one]
                ]
                assert max(recalls) / 2 < 0.75


def test_fibres_run_in_one_direction_and_the_others_do_not(
    pictures: list[TexturePicture],
) -> None:
    directed = {
        kind: np.median([_directedness(each.image) for each in pictures if each.kind == kind])
        for kind in CLASSES
    }
    assert directed["fibres"] > 2 * max(directed["grains"], directed["mesh"])


def _directedness(image: np.typing.NDArray[np.uint8]) -> float:
    """How much the gradients of the smoothed picture share one direction, 0 to 1."""
    grey = image.astype(float)
    rolled = [np.roll(grey, (i, j), (0, 1)) for i in range(4) for j in range(4)]
    down, right = (each[4:-4, 4:-4] for each in np.gradient(np.mean(rolled, axis=0)))
    both = np.array([[(down**2).mean(), (down * right).mean()], [0, (right**2).mean()]])
    low, high = np.linalg.eigvalsh(both, UPLO="U")
    return float((high - low) / (high + low))
