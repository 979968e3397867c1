from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from limner.plugin import (
    MOST_INSTANCES,
    Instances,
    from_instance_map,
    instance_boxes,
    no_instances,
    to_instance_map,
    window,
)

SMALL_MAPS = arrays(
    np.uint16,
    st.one_of(
        st.tuples(st.integers(1, 7), st.integers(1, 7)),
        st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)),
    ),
    elements=st.sampled_from([0, 0, 1, 2, 900, 65_535]),
)


def test_a_window_covers_every_pixel_that_its_box_touches() -> None:
    assert window([0.2, 3.0, 1.1, 4.0]) == (slice(0, 2), slice(3, 4))


@settings(derandomize=True, deadline=None, database=None)
@given(SMALL_MAPS)
def test_an_instance_map_comes_back_with_its_objects_numbered_in_order(
    numbered: np.ndarray,
) -> None:
    numbers, _ = instance_boxes(numbered)
    found = from_instance_map(numbered, np.ones(len(numbers), np.int64))
    painted = to_instance_map(found, numbered.shape)
    for row, number in enumerate(numbers, start=1):
        np.testing.assert_array_equal(painted == row, numbered == number)
    assert painted.max(initial=0) == len(numbers)


@settings(derandomize=True, deadline=None, database=None)
@given(SMALL_MAPS)
def test_boxes_are_tight(numbered: np.ndarray) -> None:
    for number, box in zip(*instance_boxes(numbered), strict=True):
        inside = numbered[window(box)] == number
        assert inside.sum() == (numbered == number).sum()
        for axis in range(inside.ndim):
            assert inside.take(0, axis).any()
            assert inside.take(-1, axis).any()


def test_the_surer_of_two_overlapping_objects_lies_on_top() -> None:
    overlapping = Instances(
        boxes=np.array([[0, 0, 2, 2], [0, 0, 2, 1]], np.float32),
        masks=(np.ones((2, 2), np.bool_), None),
        classes=np.array([1, 1]),
        scores=np.array([0.5, 0.9], np.float32),
    )
    assert to_instance_map(overlapping, (2, 3)).tolist() == [[2, 1, 0], [2, 1, 0]]


def test_an_image_without_objects_has_an_empty_map() -> None:
    assert not to_instance_map(no_instances(3), (2, 2, 2)).any()


def test_more_objects_than_a_map_can_number_are_refused() -> None:
    many = MOST_INSTANCES + 1
    boxes = np.tile(np.array([[0, 0, 1, 1]], np.float32), (many, 1))
    crowd = Instances(
        boxes=boxes,
        masks=(None,) * many,
        classes=np.ones(many, np.int64),
        scores=np.ones(many, np.float32),
    )
    with pytest.raises(ValueError, match="65535 objects, not 65536"):
        to_instance_map(crowd, (1, 1))
