"""The drawn volumes: known, varied, and not to be told by intensity alone."""

from __future__ import annotations

import numpy as np
import pytest

from limner.demo.phantom import BODY, HEAD, Phantom, draw_phantom


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return [draw_phantom(1, index) for index in range(16)]


def test_the_same_seed_and_index_draw_the_same_volume() -> None:
    first, again, other, reseeded = (
        draw_phantom(seed, index) for seed, index in ((3, 5), (3, 5), (3, 6), (4, 5))
    )
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.labels, again.labels)
    assert first.image.shape != other.image.shape or not np.array_equal(first.image, other.image)
    assert first.image.shape != reseeded.image.shape or not np.array_equal(
        first.image, reseeded.image
    )


def test_both_parts_are_there_in_plausible_sizes(phantoms: list[Phantom]) -> None:
    for each in phantoms:
        voxel = float(np.prod(each.spacing_mm))
        volumes = [voxel * int((each.labels == value).sum()) for value in (HEAD, BODY)]
        assert all(150 < volume < 3000 for volume in volumes), volumes
        assert set(np.unique(each.labels)) == {0, HEAD, BODY}
        assert 0.01 < (each.labels > 0).mean() < 0.12


def test_volumes_differ_in_shape_type_scale_and_spacing(phantoms: list[Phantom]) -> None:
    assert len({each.image.shape for each in phantoms}) > 10
    assert {each.image.dtype.name for each in phantoms} == {"uint8", "int16", "float32"}
    brightest = [float(each.image.max()) for each in phantoms]
    assert max(brightest) > 20 * min(brightest)
    thick = [each.spacing_mm[2] / each.spacing_mm[0] > 1.4 for each in phantoms]
    assert any(thick)
    assert not all(thick)
    assert all(np.isfinite(each.image).all() and each.image.min() >= 0 for each in phantoms)


def test_intensity_alone_does_not_find_the_organ(phantoms: list[Phantom]) -> None:
    """The best band of intensities, chosen with the labels in hand, overlaps it poorly."""
    best = []
    for each in phantoms:
        inside = each.labels > 0
        low, high = np.percentile(each.image[inside], [10, 90])
        band = (each.image >= low) & (each.image <= high)
        best.append(2 * (band & inside).sum() / (band.sum() + inside.sum()))
    assert np.mean(best) < 0.55


def test_parts_are_whole_and_meet(phantoms: list[Phantom]) -> None:
    for each in phantoms:
        head, body = each.labels == HEAD, each.labels == BODY
        grown = head.copy()
        for axis in range(3):
            for step in (-1, 1):
                grown |= np.roll(head, step, axis)
        assert (grown & body).any()
