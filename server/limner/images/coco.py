"""Instances of one image as a COCO file: polygons, run lengths or boxes alone.

Standard: https://cocodataset.org/#format-data. There x is along the columns and y along the rows,
and a box is its first corner and its size; `limner.plugin.Instances` has rows first and two
corners. Classes are matched by the names of the categories, never by their numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from limner.errors import (
    GeometryMismatch,
    ImageTooLarge,
    InvalidLabelValues,
    UnsupportedFormat,
)
from limner.images.coco_document import (
    CocoDocument,
    Entry,
    category_name,
    coco_document,
    only_image,
)
from limner.images.coco_shapes import ShapeReader
from limner.images.header import Header
from limner.images.run_lengths import LONGEST_SIDE, MOST_PIXELS
from limner.images.strict_json import read_json, shown
from limner.plugin import MOST_INSTANCES, Instances, LabelSchema, no_instances
from limner.settings import Limits


def read_coco(
    path: Path, header: Header, schema: LabelSchema, limits: Limits, *, keep_scores: bool = False
) -> Instances:
    """Read the objects of one image, in the order of the file.

    The box of an object with a mask is the tight one of the mask. Objects may overlap.

    Args:
        path: A JSON file.
        header: Of the image.
        schema: The classes.
        limits: What the file may ask for.
        keep_scores: Whether the annotations' scores are kept; 1 otherwise, as in a label.

    Raises:
        UnreadableImage: No JSON, or no COCO.
        GeometryMismatch: Sizes that are not the image's; a box or polygon outside of it.
        InvalidLabelValues: A class that the schema has not, an object without a pixel, a crowd, an
            annotation that belongs to no image, or to several.
        ImageTooLarge: Over the limits, or over 65,535 objects.
        UnsupportedFormat: The image is no picture, or too large for the format.
    """
    check_picture(header)
    document = coco_document(read_json(path, limits), path.name)
    _check_image_size(only_image(document, path.name), header, path.name)
    annotations = document.annotations
    if len(annotations) > MOST_INSTANCES:
        raise ImageTooLarge(
            f"{path.name} has {len(annotations):,} annotations; at most {MOST_INSTANCES:,} of an "
            "image are read."
        )
    if not annotations:
        return no_instances(2)
    values = {each.name: each.value for each in schema.classes}
    reader = ShapeReader(header.shape, limits.max_voxels)
    boxes, masks, classes, scores = [], [], [], []
    for number, annotation in enumerate(annotations):
        where = f"{path.name}: annotation {number} (id {shown(annotation.get('id'))})"
        classes.append(_class_value(annotation, document, values, where))
        scores.append(_score(annotation, where))
        box, mask = reader.read(annotation, where)
        boxes.append(box)
        masks.append(mask)
    return Instances(
        boxes=np.stack(boxes),
        masks=tuple(masks),
        classes=np.array(classes, np.int64),
        scores=np.array(scores if keep_scores else np.ones(len(boxes)), np.float32),
    )


def check_picture(header: Header) -> None:
    """Refuse an image whose objects a COCO file cannot tell.

    Raises:
        UnsupportedFormat: It is no picture, or too large.
    """
    if len(header.shape) != 2:
        raise UnsupportedFormat(
            "A COCO file tells the objects of pictures only; use an instance map for a volume."
        )
    height, width = header.shape
    if height * width > MOST_PIXELS or max(header.shape) > LONGEST_SIDE:
        raise UnsupportedFormat(
            f"A COCO file cannot tell the objects of a picture of {width:,} × {height:,} pixels; "
            "use an instance map."
        )


def _check_image_size(image: Entry, header: Header, name: str) -> None:
    told = (image.get("height"), image.get("width"))
    if any(type(each) is not int for each in told) or told != header.shape:
        raise GeometryMismatch(
            f"{name} says that its image is {shown(told[1])} × {shown(told[0])} pixels (width × "
            f"height); the image is {header.shape[1]} × {header.shape[0]}."
        )


def _class_value(
    annotation: Entry, document: CocoDocument, values: Mapping[str, int], where: str
) -> int:
    name = category_name(annotation, document, where)
    if name not in values:
        classes = ", ".join(repr(each) for each in list(values)[:10])
        raise InvalidLabelValues(
            f"{where} is a {shown(name)}, which the project has not; its classes are {classes}"
            f"{', …' if len(values) > 10 else ''}."
        )
    return values[name]


def _score(annotation: Entry, where: str) -> float:
    score = annotation.get("score", 1.0)
    if type(score) not in (int, float) or not 0 <= score <= 1:
        raise InvalidLabelValues(f"{where} has the score {shown(score)}, not from 0 to 1.")
    return float(score)
