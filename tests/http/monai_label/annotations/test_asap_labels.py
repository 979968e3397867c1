"""Labels that QuPath uploads: drawings named after classes, painted onto their picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from limner.errors import GeometryMismatch, InvalidLabelValues, UnsupportedFormat
from limner.http.monai_label.annotations.asap import read_asap
from limner.images import Header
from limner.plugin import Instances, LabelSchema, Mask, Task

SQUARE = ((10, 5), (20, 5), (20, 15), (10, 15))


def document(*annotations: tuple[dict[str, str], Any]) -> bytes:
    """Return a document as QuPath writes it: attributes and points of each annotation."""
    root = ElementTree.Element("ASAP_Annotations")
    parent = ElementTree.SubElement(root, "Annotations", X="0", Y="0", W="0", H="0")
    for attributes, points in annotations:
        annotation = ElementTree.SubElement(parent, "Annotation", {"Type": "Polygon"} | attributes)
        coordinates = ElementTree.SubElement(annotation, "Coordinates")
        for order, (x, y) in enumerate(points):
            ElementTree.SubElement(coordinates, "Coordinate", Order=str(order), X=str(x), Y=str(y))
    ElementTree.SubElement(root, "AnnotationGroups")
    return bytes(ElementTree.tostring(root))


@pytest.mark.parametrize(
    ("name", "group", "value"),
    [
        ("Tumour", "None", 4),
        ("tumour", "None", 4),
        (" TUMOUR ", "", 4),
        ("Annotation 0", "stroma", 300),
        ("Annotation 0", "Stroma", 300),
        ("stroma", "Tumour", 300),
        ("STROMA", "Tumour", 4),
    ],
)
def test_the_class_is_the_name_or_else_the_group(
    name: str, group: str, value: int, mask_read: Callable[..., Any]
) -> None:
    array = mask_read(document(({"Name": name, "PartOfGroup": group}, SQUARE)))
    assert set(np.unique(array)) == {0, value}
    assert (array > 0).sum() == 100
    assert (array[5:15, 10:20] == value).all()


def test_names_of_no_class_are_refused_with_those_there_are(mask_read: Callable[..., Any]) -> None:
    content = document(
        ({"Name": "Tumour"}, SQUARE), ({"Name": "Necrosis", "PartOfGroup": "None"}, SQUARE)
    )
    with pytest.raises(InvalidLabelValues, match=r"2 \('Necrosis'\).*'None'.*'Tumour', 'stroma'"):
        mask_read(content)


def test_case_decides_between_classes_that_differ_by_it(picture: Callable[..., Header]) -> None:
    schema = LabelSchema.of("cell", "Cell")
    for name, value in (("cell", 1), ("Cell", 2)):
        content = document(({"Name": name}, SQUARE))
        mask = read_asap(content, picture(), schema, Task.SEGMENTATION)
        assert isinstance(mask, Mask)
        assert mask.array.max() == value
    with pytest.raises(InvalidLabelValues, match="'CELL'"):
        read_asap(document(({"Name": "CELL"}, SQUARE)), picture(), schema, Task.SEGMENTATION)


def test_later_drawings_lie_over_earlier_ones(mask_read: Callable[..., Any]) -> None:
    inner = ((12, 7), (15, 7), (15, 10), (12, 10))
    array = mask_read(document(({"Name": "Tumour"}, SQUARE), ({"Name": "stroma"}, inner)))
    assert ((array == 300).sum(), (array == 4).sum()) == (9, 91)
    assert array.dtype == np.uint16
    array = mask_read(document(({"Name": "stroma"}, inner), ({"Name": "Tumour"}, SQUARE)))
    assert (array == 4).sum() == 100


def test_what_sticks_out_of_the_picture_is_cut_off(
    mask_read: Callable[..., Any], objects_read: Callable[..., Instances]
) -> None:
    content = document(
        ({"Name": "Tumour"}, ((50, 30), (90, 30), (90, 70), (50, 70))),
        ({"Name": "Tumour"}, ((100, 30), (190, 30), (190, 70))),
        ({"Name": "Tumour"}, ((1.1, 1), (1.2, 1), (1.2, 30))),
    )
    assert (mask_read(content) > 0).sum() == 100
    found = objects_read(content)
    assert found.boxes.tolist() == [[30, 50, 40, 60]]
    assert found.masks[0] is not None
    assert found.masks[0].all()


def test_a_label_that_misses_the_picture_is_refused(objects_read: Callable[..., Instances]) -> None:
    far = ((1000, 30), (1090, 30), (1090, 70))
    with pytest.raises(GeometryMismatch, match=r"None of the 2 .* 60 × 40 pixels"):
        objects_read(document(({"Name": "Tumour"}, far), ({"Name": "Tumour"}, far)))


def test_no_drawing_is_an_empty_label(objects_read: Callable[..., Instances]) -> None:
    assert objects_read(document()).boxes.shape == (0, 4)


def test_points_are_joined_in_the_order_that_they_say(mask_read: Callable[..., Any]) -> None:
    root = ElementTree.fromstring(  # noqa: S314 - our own
        document(({"Name": "Tumour"}, SQUARE))
    )
    (coordinates,) = root.iter("Coordinates")
    points = list(coordinates)
    for point in points:
        coordinates.remove(point)
    coordinates.extend(points[index] for index in (0, 2, 1, 3))
    assert (mask_read(ElementTree.tostring(root)) > 0).sum() == 100


def test_an_ellipse_of_qupath_is_one_and_no_diamond(mask_read: Callable[..., Any]) -> None:
    array = mask_read(
        document(({"Name": "Tumour", "Type": "Ellipse"}, ((30, 10), (50, 20), (30, 30), (10, 20))))
    )
    yy, xx = np.mgrid[:40, :60] + 0.5
    wanted = ((yy - 20) / 10) ** 2 + ((xx - 30) / 20) ** 2 < 1
    assert ((array > 0) != wanted).sum() <= 4


def test_an_area_of_several_rings_keeps_its_holes_and_pieces(
    mask_read: Callable[..., Any],
) -> None:
    rings = [
        ((0, 0), (30, 0), (30, 30), (0, 30), (0, 0)),
        ((5, 5), (10, 5), (10, 5), (10, 10), (5, 10), (5, 5)),
        ((15, 15), (20, 15), (20, 20), (15, 20), (15, 15)),
        ((40, 0), (50, 0), (50, 10), (40, 10), (40, 0)),
    ]
    points = [point for ring in rings for point in ring]
    array = mask_read(document(({"Name": "Tumour", "Type": "Geometry"}, points))) > 0
    assert array.sum() == 900 - 25 - 25 + 100
    assert not array[5:10, 5:10].any()
    assert not array[15:20, 15:20].any()
    assert array[0:10, 40:50].all()


def test_volumes_and_classes_of_images_are_not_drawn(
    picture: Callable[..., Header], volume: Callable[..., Header], schema: LabelSchema
) -> None:
    content = document(({"Name": "Tumour"}, SQUARE))
    with pytest.raises(UnsupportedFormat, match="volume"):
        read_asap(content, volume(np.eye(4)), schema, Task.SEGMENTATION)
    with pytest.raises(UnsupportedFormat, match="classification"):
        read_asap(content, picture(), schema, Task.CLASSIFICATION)
