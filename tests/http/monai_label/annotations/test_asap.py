"""ASAP XML: well formed whatever things are called, and read back as what was drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from limner.http.monai_label.annotations.asap import asap_xml
from limner.http.monai_label.annotations.regions import Region, Window, colour_of, regions_of
from limner.plugin import Instances, LabelSchema, Mask

WHOLE = Window(x=0, y=0, width=60, height=40)


def written(regions: list[Region], **changes: Any) -> bytes:
    about: dict[str, Any] = {"name": "n", "description": "d", "model": "m", "window": WHOLE}
    return asap_xml(regions, **about | changes)


def parsed(content: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(content)  # noqa: S314 - our own


def test_elements_and_attributes_are_those_that_clients_read() -> None:
    contour = np.array([[1, 2], [3.5, 2], [3.5, 4]], np.float32)
    region = Region(name="Tumour", value=4, contours=(contour,), score=None)
    window = Window(x=1, y=2, width=30, height=20)
    root = parsed(written([region], window=window))
    colour = "#{:02x}{:02x}{:02x}".format(*colour_of(4))
    annotations, groups = root
    (annotation,) = annotations
    (coordinates,) = annotation
    (group,) = groups
    assert [root.tag, annotations.tag, annotation.tag, coordinates.tag, groups.tag, group.tag] == [
        "ASAP_Annotations", "Annotations", "Annotation", "Coordinates", "AnnotationGroups", "Group",
    ]  # fmt: skip
    assert annotations.attrib == {
        "Name": "n", "Description": "d", "Model": "m", "X": "1", "Y": "2", "W": "30", "H": "20",
    }  # fmt: skip
    assert annotation.attrib == {
        "Name": "Tumour", "Type": "Polygon", "PartOfGroup": "Tumour", "Color": colour,
    }  # fmt: skip
    assert [each.attrib for each in coordinates] == [
        {"Order": "0", "X": "1", "Y": "2"},
        {"Order": "1", "X": "3.5", "Y": "2"},
        {"Order": "2", "X": "3.5", "Y": "4"},
    ]
    assert group.attrib == {"Name": "Tumour", "PartOfGroup": "None", "Color": colour}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.text(), st.text(), st.text())
def test_any_name_makes_a_sound_document(name: str, description: str, model: str) -> None:
    region = Region(name=name, value=1, contours=(np.zeros((3, 2), np.float32),), score=None)
    content = asap_xml([region], name=name, description=description, model=model, window=WHOLE)
    found = parsed(content)[0]
    for text, attribute in ((name, "Name"), (description, "Description"), (model, "Model")):
        if text.isprintable():
            assert found.attrib[attribute] == text
            assert len(found) == 1


def test_no_region_is_a_sound_document(mask_read: Callable[..., Any]) -> None:
    assert not mask_read(written([])).any()


def test_names_that_need_escaping_come_back(
    mask_read: Callable[..., Any], schema: LabelSchema
) -> None:
    array = np.zeros((40, 60), np.uint8)
    array[3:20, 4:30] = 1
    content = written(regions_of(Mask(array=array, spacing=(1, 1)), schema))
    assert b'a<b & "c"' not in content
    assert np.array_equal(mask_read(content), array)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(array=arrays.arrays(np.uint16, (9, 11), elements=st.sampled_from([0, 1, 4, 300])))
def test_a_mask_comes_back_but_for_holes_of_background(
    mask_read: Callable[..., Any], array: Any, schema: LabelSchema
) -> None:
    content = written(regions_of(Mask(array=array, spacing=(1, 1)), schema, least_area=0))
    back = mask_read(content, 9, 11)
    labelled = array > 0
    assert np.array_equal(back[labelled], array[labelled])
    whole = ndimage.binary_fill_holes(labelled, structure=np.ones((3, 3), np.bool_))
    assert not back[~np.asarray(whole)].any()


def test_a_class_inside_of_another_comes_back_whatever_their_order(
    mask_read: Callable[..., Any], schema: LabelSchema
) -> None:
    for outer, inner in ((1, 4), (4, 1)):
        array = np.zeros((40, 60), np.uint8)
        array[5:35, 5:35] = outer
        array[10:20, 10:20] = inner
        array[12:15, 12:15] = outer
        content = written(regions_of(Mask(array=array, spacing=(1, 1)), schema, least_area=0))
        assert np.array_equal(mask_read(content), array)


def test_a_label_that_qupath_cuts_to_whole_pixels_stays_within_a_pixel(
    mask_read: Callable[..., Any], schema: LabelSchema
) -> None:
    yy, xx = np.mgrid[:40, :60]
    array = (np.hypot(yy - 20, xx - 30) < 15).astype(np.uint8)
    root = parsed(written(regions_of(Mask(array=array, spacing=(1, 1)), schema)))
    for point in root.iter("Coordinate"):
        for axis in "XY":
            point.set(axis, str(int(float(point.attrib[axis]))))
    back = mask_read(ElementTree.tostring(root)) > 0
    around = np.ones((3, 3), np.bool_)
    assert not (back & ~ndimage.binary_dilation(array, around)).any()
    assert not (ndimage.binary_erosion(array, around) & ~back).any()


def test_instances_come_back_with_their_boxes_and_may_overlap(
    objects_read: Callable[..., Instances], schema: LabelSchema
) -> None:
    disc = np.hypot(*(np.mgrid[:11, :11] - 5)) < 5.4
    given = Instances(
        boxes=np.array([[3, 4, 14, 15], [8, 9, 19, 20], [20, 30, 30, 50]], np.float32),
        masks=(disc, disc, None),
        classes=np.array([4, 1, 4], np.int64),
        scores=np.array([0.5, 0.25, 1], np.float32),
    )
    found = objects_read(written(regions_of(given, schema, least_area=0)))
    # The largest was written first.
    assert found.boxes.tolist() == [[20, 30, 30, 50], [3, 4, 14, 15], [8, 9, 19, 20]]
    assert found.classes.tolist() == [4, 4, 1]
    assert found.scores.tolist() == [1, 1, 1]
    for mask, wanted in zip(found.masks, (np.ones((10, 20), np.bool_), disc, disc), strict=True):
        assert mask is not None
        assert np.array_equal(mask, wanted)
