"""Layouts for instances: one COCO file beside the images, or an instance map for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import cast

import numpy as np

from limner.errors import Conflict, UnsupportedFormat
from limner.images import Header, ImageSource, encode_answer, read_label
from limner.images.coco_writing import coco_annotations, coco_image, coco_pieces
from limner.loop.export_images import single_file
from limner.loop.export_layout import DataSet, Layout, Part
from limner.plugin import Instances, LabelSchema, Task, window

_MOST_IN_MEMORY = 16 * 2**20
"""Bytes of annotations that are kept in memory until the last image was written."""


class Coco(Layout):
    """COCO's layout: `images/`, and `annotations.json` with the objects of all of them.

    Images without any object are listed too; objects of which only the box is known stay so.
    """

    def __init__(self, data_set: DataSet) -> None:
        if len(data_set.first.shape or ()) != 2:
            raise Conflict(
                "The coco layout holds pictures only, and this project has volumes; export them as "
                "maps."
            )
        self._schema = data_set.schema
        self._images: list[bytes] = []
        self._waiting: tuple[bytes, list[bytes]] = (b"", [])
        # They come after the images in the file, and must not fill the memory until then.
        self._annotations = SpooledTemporaryFile(max_size=_MOST_IN_MEMORY)  # noqa: SIM115 - `close`
        self._count = 0

    def parts(self, name: str, source: ImageSource, label: Path, label_format: str) -> list[Part]:
        """Return the image, and keep its annotations."""
        header = source.header()
        found = _instances(label, label_format, header, source, self._schema)
        content, suffix = single_file(source, header)
        image_id = len(self._images) + 1
        self._waiting = (
            coco_image(header, name + suffix, image_id=image_id),
            coco_annotations(found, header, image_id=image_id, first_id=self._count + 1),
        )
        return [Part(f"images/{name}{suffix}", content)]

    def add(self, name: str) -> None:
        """Count the image and its objects in."""
        image, annotations = self._waiting
        self._images.append(image)
        self._annotations.writelines(each + b"\n" for each in annotations)
        self._count += len(annotations)

    def closing(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Write all annotations."""
        self._annotations.seek(0)
        lines = (line.rstrip(b"\n") for line in self._annotations)
        yield "annotations.json", coco_pieces(self._images, self._schema, lines)

    def close(self) -> None:
        """Let go of the annotations."""
        self._annotations.close()


class Maps(Layout):
    """`images/`, and in `labels/` an instance map of the same name for each."""

    def __init__(self, data_set: DataSet) -> None:
        self._schema = data_set.schema

    def parts(self, name: str, source: ImageSource, label: Path, label_format: str) -> list[Part]:
        """Return the image and its instance map."""
        header = source.header()
        ending = ".nii.gz" if header.kind == "volume" else ".png"
        content, suffix = single_file(source, header)
        return [
            Part(f"images/{name}{suffix}", content),
            Part(f"labels/{name}{ending}", self._map(source, header, label, label_format, ending)),
        ]

    def _map(
        self, source: ImageSource, header: Header, label: Path, label_format: str, ending: str
    ) -> bytes | Path:
        if label_format == ending:
            return label
        found = _instances(label, label_format, header, source, self._schema)
        _check_paintable(found, header)
        return encode_answer(found, header, self._schema, ending)


def _instances(
    label: Path, label_format: str, header: Header, source: ImageSource, schema: LabelSchema
) -> Instances:
    found = read_label(label, label_format, header, schema, Task.INSTANCES, source.limits)
    return cast("Instances", found)


def _check_paintable(found: Instances, header: Header) -> None:
    """Refuse objects of which a map would lose something.

    Raises:
        UnsupportedFormat: Some are boxes alone, or overlap.
    """
    covered = np.zeros(header.shape, np.bool_)
    for box, mask in zip(found.boxes, found.masks, strict=True):
        if mask is None:
            raise UnsupportedFormat(
                "objects of which only the box is known cannot be in an instance map; export as "
                "coco"
            )
        place = covered[window(box)]
        if (place & mask).any():
            raise UnsupportedFormat(
                "objects that overlap cannot be in an instance map; export as coco"
            )
        place |= mask
