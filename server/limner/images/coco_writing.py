"""Writing instances as COCO files: masks as packed run lengths, the same bytes every time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from limner.images.coco import check_picture
from limner.images.header import Header
from limner.images.run_lengths import packed, runs_of_mask
from limner.plugin import FloatArray, Instances, LabelSchema, window

_DIGITS = 3
"""Decimal places of a box."""
_NARROWEST = 10**-_DIGITS
_SCORE_DIGITS = 6


def encode_coco(
    instances: Instances, header: Header, schema: LabelSchema, *, file_name: str = ""
) -> bytes:
    """Write a COCO file of one image. Scores are left out where all are 1, as in a label.

    An object of which only the box is known has no segmentation, and neither has one whose mask
    holds no pixel.

    Args:
        instances: The objects.
        header: Of their image.
        schema: The classes; a category's id is the class value.
        file_name: What the file says that the image is called.

    Raises:
        UnsupportedFormat: The image is no picture, or too large for the format.
    """
    image = coco_image(header, file_name, image_id=1)
    annotations = coco_annotations(instances, header, image_id=1, first_id=1)
    return b"".join(coco_pieces([image], schema, annotations))


def coco_image(header: Header, file_name: str, *, image_id: int) -> bytes:
    """Return the entry of an image."""
    height, width = header.shape
    return _entry(id=image_id, width=width, height=height, file_name=file_name)


def coco_annotations(
    instances: Instances, header: Header, *, image_id: int, first_id: int
) -> list[bytes]:
    """Return the entries of an image's objects, in their order.

    Raises:
        UnsupportedFormat: As in `encode_coco`.
    """
    check_picture(header)
    is_label = bool((instances.scores == 1).all())
    entries = []
    for row, (segmentation, area) in enumerate(_segmentations(instances, header.shape)):
        score = round(float(instances.scores[row]), _SCORE_DIGITS)
        entry = _entry(
            id=first_id + row,
            image_id=image_id,
            category_id=int(instances.classes[row]),
            bbox=_box(instances.boxes[row]),
            area=area,
            iscrowd=0,
            segmentation=segmentation,
            **({} if is_label else {"score": score}),
        )
        entries.append(entry)
    return entries


def coco_pieces(
    images: Iterable[bytes], schema: LabelSchema, annotations: Iterable[bytes]
) -> Iterator[bytes]:
    """Yield a COCO file piece by piece, an entry a line; no table needs to fit into memory."""
    yield b'{"images":['
    yield from _lines(images)
    yield b'],\n"categories":['
    yield from _lines(_entry(id=each.value, name=each.name) for each in schema.classes)
    yield b'],\n"annotations":['
    yield from _lines(annotations)
    yield b"]}\n"


def _entry(**values: Any) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def _lines(entries: Iterable[bytes]) -> Iterator[bytes]:
    for number, entry in enumerate(entries):
        yield (b",\n" if number else b"\n") + entry


def _segmentations(
    instances: Instances, shape: Sequence[int]
) -> Iterator[tuple[dict[str, Any] | list[Any], int | float]]:
    """Yield what each object's entry says of its mask, and its area in pixels."""
    size = [int(length) for length in shape]
    cuts = {
        row: runs_of_mask(mask, [cut.start for cut in window(box)], size[0])
        for row, (mask, box) in enumerate(zip(instances.masks, instances.boxes, strict=True))
        if mask is not None and mask.any()
    }
    pixels = size[0] * size[1]
    texts = dict(
        zip(cuts, packed([each.counts(pixels) for each in cuts.values()], size), strict=True)
    )
    for row, box in enumerate(instances.boxes):
        if row in cuts:
            yield {"size": size, "counts": texts[row]}, cuts[row].area
        else:
            _, _, width, height = _box(box)
            yield [], _plain(width * height)


def _box(box: FloatArray) -> list[int | float]:
    """Return x, y, width and height of a box that is first corner and last."""
    top, left, bottom, right = (round(float(each), _DIGITS) for each in box)
    width, height = max(right - left, _NARROWEST), max(bottom - top, _NARROWEST)
    return [_plain(each) for each in (left, top, width, height)]


def _plain(number: float) -> int | float:
    """Return a number of a few digits, without a point where it is whole."""
    rounded = round(number, _DIGITS)
    return int(rounded) if rounded == int(rounded) else rounded
