"""Layouts for classes: a table beside the images, or a folder of images for each class."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

from limner.errors import Conflict
from limner.images import Header, ImageSource, read_label
from limner.images.class_labels import chosen
from limner.loop.export_images import single_file
from limner.loop.export_layout import DataSet, Layout, Part
from limner.plugin import ClassScores, LabelSchema, Task

SEPARATOR = "|"
"""Between the classes of one image, in a table."""

_NO_FOLDER = '<>:"|?*'
"""Characters that some systems refuse in the name of a folder."""


class Table(Layout):
    """`images/`, and `labels.csv` with a line for each: `image,label`.

    Where an image may have several classes, or none, the second column is called `classes` and has
    them separated by `|`.
    """

    def __init__(self, data_set: DataSet) -> None:
        self._schema = data_set.schema
        strange = [each for each in self._schema.names if SEPARATOR in each]
        if strange and not self._schema.exclusive:
            raise Conflict(
                f"The csv layout separates the classes of an image by {SEPARATOR}, which is in the "
                f"name of class {strange[0]!r}."
            )
        self._lines = io.StringIO()
        self._writer = csv.writer(self._lines, lineterminator="\n")
        self._writer.writerow(("image", "label" if self._schema.exclusive else "classes"))
        self._waiting = ("", "")

    def parts(self, name: str, source: ImageSource, label: Path, label_format: str) -> list[Part]:
        """Return the image, and keep its line."""
        header = source.header()
        classes = _classes(label, label_format, header, source, self._schema)
        content, suffix = single_file(source, header)
        self._waiting = (f"{name}{suffix}", SEPARATOR.join(classes))
        return [Part(f"images/{name}{suffix}", content)]

    def add(self, name: str) -> None:
        """Count the line in."""
        self._writer.writerow(self._waiting)

    def closing(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Write the table."""
        yield "labels.csv", [self._lines.getvalue().encode()]


class Folders(Layout):
    """A folder for each class, with its images."""

    def __init__(self, data_set: DataSet) -> None:
        self._schema = data_set.schema
        if not self._schema.exclusive:
            raise Conflict(
                "The folders layout has an image in the folder of its class, and in this project "
                "an image may have several classes, or none; export it as csv."
            )
        for name in self._schema.names:
            if name.startswith(".") or name.endswith(".") or set(name) & set(_NO_FOLDER):
                raise Conflict(f"No folder can be called like class {name!r}; export it as csv.")
        if len({name.casefold() for name in self._schema.names}) < len(self._schema.names):
            raise Conflict(
                "Two classes differ by nothing but upper and lower case, and on some systems their "
                "folders would be one; export it as csv."
            )

    def parts(self, name: str, source: ImageSource, label: Path, label_format: str) -> list[Part]:
        """Return the image, in its class's folder."""
        header = source.header()
        (folder,) = _classes(label, label_format, header, source, self._schema)
        content, suffix = single_file(source, header)
        return [Part(f"{folder}/{name}{suffix}", content)]


def _classes(
    label: Path, label_format: str, header: Header, source: ImageSource, schema: LabelSchema
) -> tuple[str, ...]:
    scores = read_label(label, label_format, header, schema, Task.CLASSIFICATION, source.limits)
    return chosen(cast("ClassScores", scores), schema)
