from __future__ import annotations

import numpy as np
import pytest

from limner.plugin import Region, cut_to, inside


def test_a_region_is_a_half_open_box() -> None:
    region = Region((1, 0), (3, 2))
    assert (region.shape, region.voxels) == ((2, 2), 4)
    array = np.zeros((4, 3))
    array[region.slices] = 1
    assert np.array_equal(array.astype(bool), inside([region], (4, 3)))
    assert region.lies_in((3, 2))
    assert not region.lies_in((2, 2))
    assert not region.lies_in((3, 2, 1))


def test_regions_that_only_touch_do_not_overlap() -> None:
    region = Region((0, 0), (2, 2))
    assert region.overlaps(Region((1, 1), (3, 3)))
    assert not region.overlaps(Region((2, 0), (3, 2)))


@pytest.mark.parametrize(
    ("start", "stop"),
    [((), ()), ((0,), (1, 1)), ((-1,), (1,)), ((1,), (1,)), ((0.0,), (1,)), ((True,), (2,))],
)
def test_what_is_no_box_is_refused(start: tuple[int, ...], stop: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"[Rr]egion"):
        Region(start, stop)


def test_a_size_is_cut_to_the_image_and_zero_is_a_whole_axis() -> None:
    assert cut_to((0, 50, 5), (30, 40, 20)) == (30, 40, 5)
