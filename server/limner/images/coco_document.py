"""The tables of a COCO file: images, categories, annotations, and how they refer to each other.

What an annotation says of pixels is not looked at here; `limner.images.coco` does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard

from limner.errors import InvalidLabelValues, UnreadableImage
from limner.images.strict_json import shown

Entry: TypeAlias = Mapping[str, Any]
"""An object of the file, of which nothing is known but that it is one."""


@dataclass(frozen=True, slots=True, eq=False)
class CocoDocument:
    """The three tables of a file."""

    images: Mapping[int | str, Entry]
    """By id."""
    categories: Mapping[int | str, str]
    """Names by id."""
    annotations: list[Entry]


def coco_document(found: Any, name: str) -> CocoDocument:
    """Look at the tables of a parsed file; `name` is the file's, for messages.

    Raises:
        UnreadableImage: It is no COCO file: a table is missing, an id is no number or text, or two
            entries of a table share one.
    """
    images = {_id(each, "an image", name): each for each in _table(found, "images", name)}
    if len(images) != len(found["images"]):
        raise UnreadableImage(f"{name}: two images have the same id.")
    categories: dict[int | str, str] = {}
    for each in _table(found, "categories", name):
        title = each.get("name")
        if not isinstance(title, str):
            raise UnreadableImage(f"{name}: a category is called {shown(title)}, which is no name.")
        categories[_id(each, "a category", name)] = title
    if len(categories) != len(found["categories"]):
        raise UnreadableImage(f"{name}: two categories have the same id.")
    return CocoDocument(images, categories, _table(found, "annotations", name))


def only_image(document: CocoDocument, name: str) -> Entry:
    """Return the image that a file of one image is about.

    Raises:
        InvalidLabelValues: It is about none, or about several, or an annotation belongs to an
            image that is not in the file.
    """
    used = {image_id(each, document, name) for each in document.annotations}
    about = used or set(document.images)
    if len(about) != 1:
        raise InvalidLabelValues(
            f"{name} is about {len(about) or 'no'} images; a label is about one. Give each image a "
            "file of its own."
        )
    return document.images[about.pop()]


def image_id(annotation: Entry, document: CocoDocument, name: str) -> int | str:
    """Return which image an annotation belongs to.

    Raises:
        InvalidLabelValues: To none of the file.
    """
    found = annotation.get("image_id")
    if not _is_id(found) or found not in document.images:
        raise InvalidLabelValues(
            f"{name}: an annotation (id {shown(annotation.get('id'))}) belongs to image "
            f"{shown(found)}, which is not in the file."
        )
    return found


def category_name(annotation: Entry, document: CocoDocument, where: str) -> str:
    """Return the name of an annotation's category; `where` says which it is, for messages.

    Raises:
        InvalidLabelValues: It has none of the file.
    """
    found = annotation.get("category_id")
    if not _is_id(found) or found not in document.categories:
        raise InvalidLabelValues(
            f"{where} has the category {shown(found)}, which is not in the file."
        )
    return document.categories[found]


def _table(found: Any, key: str, name: str) -> list[Entry]:
    table = found.get(key) if isinstance(found, dict) else None
    if not isinstance(table, list) or not all(isinstance(each, dict) for each in table):
        raise UnreadableImage(
            f"{name} is no COCO file: it needs images, categories and annotations, each a list of "
            f"objects; {key} is {shown(table)}."
        )
    return table


def _id(entry: Entry, what: str, name: str) -> int | str:
    found = entry.get("id")
    if not _is_id(found):
        raise UnreadableImage(f"{name}: {what} has the id {shown(found)}, no number and no text.")
    return found


def _is_id(found: Any) -> TypeGuard[int | str]:
    return isinstance(found, int | str) and not isinstance(found, bool)
