"""ASAP XML: what QuPath shows of an answer, and what it uploads as a label.

Standard: the XML annotations of https://github.com/computationalpathologygroup/ASAP. Coordinates
are x and y in pixels of the whole picture, from its outer corner.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from limner.errors import InvalidLabelValues, UnsupportedFormat
from limner.http.monai_label.annotations.asap_document import Drawn, drawings
from limner.http.monai_label.annotations.drawn_labels import (
    MOST_PIXELS,
    check_cost,
    drawn_instances,
    drawn_mask,
)
from limner.http.monai_label.annotations.plain import points
from limner.http.monai_label.annotations.regions import Region, Window, colour_of
from limner.images import Header
from limner.images.outlines import enclosed
from limner.plugin import Instances, LabelSchema, Mask, Task

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may hold, not even escaped."""


def asap_xml(
    regions: Sequence[Region], *, name: str, description: str, model: str, window: Window
) -> bytes:
    """Write regions as ASAP XML, an annotation for each outline.

    The largest come first, so that a reader who draws one over the other hides none of them.

    Args:
        regions: Of a picture.
        name: Of the annotations.
        description: Of the annotations.
        model: Its name.
        window: The part of the picture that they are of.
    """
    root = Element("ASAP_Annotations")
    annotations = SubElement(
        root,
        "Annotations",
        _attributes(
            Name=name,
            Description=description,
            Model=model,
            X=window.x,
            Y=window.y,
            W=window.width,
            H=window.height,
        ),
    )
    drawn = [(region, contour) for region in regions for contour in region.contours]
    for region, contour in sorted(drawn, key=lambda pair: -enclosed(pair[1])):
        annotation = SubElement(
            annotations,
            "Annotation",
            _attributes(
                Name=region.name,
                Type="Polygon",
                PartOfGroup=region.name,
                Color=_hex(region.value),
            ),
        )
        coordinates = SubElement(annotation, "Coordinates")
        for order, (x, y) in enumerate(points(contour)):
            SubElement(coordinates, "Coordinate", {"Order": str(order), "X": str(x), "Y": str(y)})
    groups = SubElement(root, "AnnotationGroups")
    for value, group in sorted({(region.value, region.name) for region in regions}):
        SubElement(groups, "Group", _attributes(Name=group, PartOfGroup="None", Color=_hex(value)))
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def read_asap(
    content: bytes,
    header: Header,
    schema: LabelSchema,
    task: Task,
    *,
    most_pixels: int = MOST_PIXELS,
) -> Mask | Instances:
    """Read a label that was drawn: a mask, or an object for each drawing with its tight box.

    A drawing belongs to the class that its name says, or else its group; case is looked at only
    where it must be. What lies outside of the picture is cut off, and a drawing that covers no
    pixel's centre is left out. In a mask, later drawings lie over earlier ones.

    Args:
        content: XML.
        header: Of the picture.
        schema: The classes.
        task: Segmentation or instances.
        most_pixels: What the drawings may span together.

    Raises:
        UnreadableImage: It is no ASAP XML that can be trusted; see `asap_document.drawings`.
        InvalidLabelValues: A name that is no class's, or a drawing that encloses nothing.
        GeometryMismatch: There are drawings, and none of them touches the picture.
        ImageTooLarge: The drawings ask for too much.
        UnsupportedFormat: The image is no picture, or the task is classification.
    """
    if header.kind != "picture" or task is Task.CLASSIFICATION:
        raise UnsupportedFormat(
            f"ASAP XML tells what is drawn on a picture; it is no label of {task.value} for a "
            f"{header.kind}."
        )
    drawn = drawings(content)
    values = [_value_of(each, schema) for each in drawn]
    check_cost(drawn, header, most_pixels)
    if task is Task.SEGMENTATION:
        return drawn_mask(drawn, values, header)
    return drawn_instances(drawn, values, header)


def _value_of(drawn: Drawn, schema: LabelSchema) -> int:
    for found in _matches(drawn, schema):
        if len(found) == 1:
            return found[0]
    known = ", ".join(repr(name) for name in schema.names[:10])
    raise InvalidLabelValues(
        f"{drawn.where}, in group {drawn.group[:64]!r}, is of no class of the project; they are "
        f"{known}{', …' if len(schema.names) > 10 else ''}. Name it after its class."
    )


def _matches(drawn: Drawn, schema: LabelSchema) -> Iterator[list[int]]:
    """Yield the classes that fit, the best ways to fit first."""
    for text in (drawn.name, drawn.group):
        yield [each.value for each in schema.classes if each.name == text]
    for text in (drawn.name, drawn.group):
        folded = text.strip().casefold()
        yield [each.value for each in schema.classes if each.name.casefold() == folded]


def _attributes(**values: str | int) -> dict[str, str]:
    return {key: _NOT_XML.sub("\ufffd", str(value)) for key, value in values.items()}


def _hex(value: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour_of(value))
