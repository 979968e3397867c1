"""Classes of images from a table: a CSV file with a line for each image.

The first line names the columns. One is called `image`, `filename`, `file_name`, `file` or `path`.
The classes are in one called `label`, `class`, `classes` or `labels`, several of them separated by
`|`, or in a column for each class with 0 or 1. Other columns are not looked at.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from limner.errors import ImageTooLarge, UnreadableImage
from limner.images.faults import image_errors
from limner.images.reading import check_regular
from limner.plugin import LabelSchema
from limner.settings import Limits

SEPARATOR = "|"
"""Between the classes of one image."""

MOST_BYTES = 256 * 2**20
"""Largest table."""

_IMAGE_COLUMNS = ("image", "filename", "file_name", "file", "path")
_CLASS_COLUMNS = ("label", "class", "classes", "labels")
_DELIMITERS = (",", ";", "\t")
_ONE, _ZERO = {"1", "1.0", "true"}, {"0", "0.0", "false", ""}


@dataclass(frozen=True, slots=True)
class Row:
    """What one line says."""

    line: int
    """Number in the file, from 1."""
    image: str
    """As written."""
    classes: tuple[str, ...] | None
    """Names as written; None where the line leaves open what the image is."""
    problem: str = ""
    """What is wrong with the line, where it says nothing."""


ClassReader: TypeAlias = Callable[[Sequence[str]], tuple[str, ...] | None]
"""Returns the classes that the cells of a line say; raises ValueError where they say none."""


def class_rows(path: Path, schema: LabelSchema, limits: Limits) -> Iterator[Row]:
    """Read a table.

    An empty cell leaves an image without a label, or, where an image may have no class, says that
    it has none.

    Args:
        path: A CSV file in UTF-8, separated by commas, semicolons or tabs.
        schema: The classes.
        limits: What the file may ask for.

    Raises:
        UnreadableImage: No file, no text, or a column is missing.
        ImageTooLarge: Over the limits, or over `MOST_BYTES`.
    """
    text = _text(path, limits)
    lines, columns = _opened(text, path.name)
    image = next(columns.index(each) for each in _IMAGE_COLUMNS if each in columns)
    classes_of = _reader(columns, schema, path.name)
    while True:
        try:
            cells = next(lines)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(lines.line_num, "", None, f"Here the table cannot be read on: {error}.")
            return
        if any(cells):
            yield _row(lines.line_num, cells, image, classes_of)


def _text(path: Path, limits: Limits) -> str:
    with image_errors(path):
        size = check_regular(path, limits)
        if size > MOST_BYTES:
            raise ImageTooLarge(
                f"{path.name} has {size:,} bytes; of a table at most {MOST_BYTES:,} are read."
            )
        data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableImage(f"{path.name} is no table: it is not text in UTF-8.") from error


def _opened(text: str, name: str) -> tuple[Any, list[str]]:
    """Return a reader that stands behind the first line, and the columns' names in lower case."""
    for delimiter in _DELIMITERS:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        with suppress(csv.Error):
            columns = [cell.strip().lower() for cell in next(lines, [])]
            if set(columns) & set(_IMAGE_COLUMNS):
                return lines, columns
    raise UnreadableImage(
        f"{name} is no table of images: it begins with {text[:100]!r}. Its first line must name "
        f"the columns, and one of them {', '.join(_IMAGE_COLUMNS)}."
    )


def _reader(columns: Sequence[str], schema: LabelSchema, name: str) -> ClassReader:
    for each in _CLASS_COLUMNS:
        if each in columns:
            return partial(_named, column=columns.index(each), schema=schema)
    missing = [each for each in schema.names if each.lower() not in columns]
    if missing:
        raise UnreadableImage(
            f"{name} says no classes: no column is called {', '.join(_CLASS_COLUMNS)}, and there "
            f"is none for the class {missing[0]!r}."
        )
    places = {each: columns.index(each.lower()) for each in schema.names}
    return partial(_marked, columns=places)


def _named(cells: Sequence[str], *, column: int, schema: LabelSchema) -> tuple[str, ...] | None:
    cell = cells[column].strip()
    if not cell:
        return None if schema.exclusive else ()
    if cell in schema.names:
        return (cell,)
    return tuple(each.strip() for each in cell.split(SEPARATOR) if each.strip())


def _marked(cells: Sequence[str], *, columns: Mapping[str, int]) -> tuple[str, ...]:
    found = []
    for name, column in columns.items():
        cell = cells[column].strip().lower()
        if cell in _ONE:
            found.append(name)
        elif cell not in _ZERO:
            raise ValueError(f"Class {name!r} has {cell[:50]!r}, neither 0 nor 1.")
    return tuple(found)


def _row(line: int, cells: Sequence[str], image: int, classes_of: ClassReader) -> Row:
    try:
        name = cells[image].strip()
        classes = classes_of(cells)
    except IndexError:
        return Row(line, "", None, f"The line has {len(cells)} columns, fewer than the first one.")
    except ValueError as error:
        return Row(line, name, None, str(error))
    return Row(line, name, classes, "" if name else "The line names no image.")
