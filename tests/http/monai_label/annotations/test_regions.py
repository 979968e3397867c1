"""Regions of a picture: one for each class or object, inside of a window."""

from __future__ import annotations

import numpy as np
import pytest

from limner.errors import UnsupportedFormat
from limner.http.monai_label.annotations.regions import Window, colour_of, regions_of
from limner.images.outlines import filled
from limner.plugin import Instances, LabelClass, LabelSchema, Mask, no_instances

SCHEMA = LabelSchema(
    classes=(LabelClass(name="round", value=3), LabelClass(name="spindle", value=7))
)
SHAPE = (40, 60)


def mask_of(**windows: tuple[slice, slice]) -> Mask:
    """Paint windows with the values that their names end with."""
    array = np.zeros(SHAPE, np.uint8)
    for name, window in windows.items():
        array[window] = int(name.strip("abcv"))
    return Mask(array=array, spacing=(1.0, 1.0))


MASK = mask_of(v7=np.s_[2:12, 3:23], v3=np.s_[20:30, 30:50], v9=np.s_[35:40, 0:20])

OBJECTS = Instances(
    boxes=np.array([[2, 3, 12, 23], [20.5, 30, 29.25, 50], [0, 0, 9, 9]], np.float32),
    masks=(np.ones((10, 20), np.bool_), None, np.ones((9, 9), np.bool_)),
    classes=np.array([7, 3, 9], np.int64),
    scores=np.array([0.5, 1, 1], np.float32),
)


def test_a_mask_has_a_region_for_each_class_of_the_schema() -> None:
    regions = regions_of(MASK, SCHEMA)
    assert [(each.name, each.value, each.score) for each in regions] == [
        ("round", 3, None),
        ("spindle", 7, None),
    ]
    for each in regions:
        (contour,) = each.contours
        assert np.array_equal(filled(contour, SHAPE), MASK.array == each.value)


def test_objects_are_regions_of_their_own_in_pixels_of_the_whole_picture() -> None:
    drawn, boxed = regions_of(OBJECTS, SCHEMA)
    assert (drawn.name, drawn.value, drawn.score) == ("spindle", 7, 0.5)
    assert np.array_equal(filled(drawn.contours[0], SHAPE), MASK.array == 7)
    assert (boxed.name, boxed.value, boxed.score) == ("round", 3, 1.0)
    assert boxed.contours[0].tolist() == [[30, 20.5], [50, 20.5], [50, 29.25], [30, 29.25]]


def test_an_object_in_pieces_has_several_outlines() -> None:
    mask = np.ones((10, 20), np.bool_)
    mask[:, 8:10] = False
    (region,) = regions_of(
        Instances(
            boxes=OBJECTS.boxes[:1],
            masks=(mask,),
            classes=OBJECTS.classes[:1],
            scores=OBJECTS.scores[:1],
        ),
        SCHEMA,
        least_area=20,
    )
    assert len(region.contours) == 2


@pytest.mark.parametrize("answer", [MASK, OBJECTS])
def test_only_what_is_inside_of_the_window_counts(answer: Mask | Instances) -> None:
    window = Window(x=10, y=5, width=25, height=20)
    inside = np.zeros(SHAPE, np.bool_)
    inside[5:25, 10:35] = True
    found = {
        each.name: each.contours for each in regions_of(answer, SCHEMA, window=window, least_area=0)
    }
    assert set(found) == {"round", "spindle"}
    (contour,) = found["spindle"]
    assert np.array_equal(filled(contour, SHAPE), (MASK.array == 7) & inside)
    (contour,) = found["round"]
    assert contour.min(axis=0).tolist()[0] == 30
    assert contour.max(axis=0).tolist() == [35, 25]


@pytest.mark.parametrize("answer", [MASK, OBJECTS])
@pytest.mark.parametrize("least", [75, 200])
def test_small_outlines_are_left_out(answer: Mask | Instances, least: float) -> None:
    names = [each.name for each in regions_of(answer, SCHEMA, least_area=least)]
    assert len(names) == (2 if least == 75 else 0)


@pytest.mark.parametrize(
    "window",
    [
        Window(x=60, y=40, width=5, height=5),
        Window(x=-9, y=-9, width=5, height=5),
        Window(x=0, y=0, width=3, height=40),
        Window(x=5, y=5, width=0, height=0),
    ],
)
@pytest.mark.parametrize("answer", [MASK, OBJECTS])
def test_a_window_beside_everything_has_no_region(answer: Mask | Instances, window: Window) -> None:
    assert regions_of(answer, SCHEMA, least_area=0, window=window) == []


def test_a_window_around_the_picture_is_the_picture() -> None:
    window = Window(x=-10, y=-10, width=1000, height=1000)
    whole = regions_of(MASK, SCHEMA)
    cut = regions_of(MASK, SCHEMA, window=window)
    assert [each.contours[0].tolist() for each in whole] == [
        each.contours[0].tolist() for each in cut
    ]


def test_no_object_is_no_region() -> None:
    assert regions_of(no_instances(2), SCHEMA) == []


def test_volumes_have_no_outlines() -> None:
    volume = Mask(array=np.zeros((2, 2, 2), np.uint8), spacing=(1.0,) * 3, affine=np.eye(4))
    for answer in (volume, no_instances(3)):
        with pytest.raises(UnsupportedFormat, match="pictures only"):
            regions_of(answer, SCHEMA)


def test_colours_stay_the_same_and_differ() -> None:
    colours = [colour_of(value) for value in range(1, 500)]
    assert len(set(colours)) == len(colours)
    assert all(0 <= part <= 255 for colour in colours for part in colour)
    assert colour_of(1) == (102, 147, 255)
    first = np.array(colours[:8], float)
    apart = np.linalg.norm(first[:, None] - first, axis=2)[~np.eye(8, dtype=bool)]
    assert apart.min() > 60
