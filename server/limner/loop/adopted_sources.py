"""Where finished labels are found: files, one COCO file, one table, or the names of folders.

They are only listed here; what a label says is looked at when it is adopted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from limner.errors import ImageError
from limner.images import image_suffix, label_suffix
from limner.images.class_labels import encode_class_names
from limner.images.coco_document import CocoDocument, Entry, coco_document, image_id
from limner.images.strict_json import read_json, shown
from limner.loop.class_table import class_rows
from limner.plugin import LabelSchema, Task
from limner.settings import Limits
from limner.stores.entries import Problem
from limner.stores.folder import FolderStore

SINGLE_FILES = {".json": Task.INSTANCES, ".csv": Task.CLASSIFICATION}
"""Task of the labels that one file of such a suffix holds for many images."""

_MOST_COCO_BYTES = 512 * 2**20
_MOST_FOLDERS = 8
"""Folders of a told path that may be missing in the store's own names."""
_KEPT = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "score")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A finished label that was found."""

    names: Sequence[str]
    """What its image may be called in the store, the likeliest first."""
    content: Path | Callable[[], bytes]
    """Its file, or what makes its bytes."""
    suffix: str
    """Format of the content."""
    file: Path
    """What changes when the label does; a file or folder."""
    origin: str
    """Where it was found; the same at every look."""
    place: str
    """The same for people who look for it."""
    in_any_folder: bool = False
    """Whether the image may lie in a folder of the store that nothing is said of."""
    author: str | None = None
    """Who drew it; None where nothing is known of that."""
    at: float | None = None
    """When, in seconds since 1970, where that is known."""
    remarks: Mapping[str, Any] = field(default_factory=dict)
    """What is to be kept with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What is known of a project whose finished labels are looked for."""

    path: Path
    """Where they are to be found."""
    task: Task
    schema: LabelSchema
    store: FolderStore
    limits: Limits
    names: Callable[[], Iterable[str]]
    """Lists the names of the project's samples."""


def single_file_task(path: Path) -> Task | None:
    """Return the task of the labels that a file holds for many images; None for a folder."""
    return None if path.is_dir() else SINGLE_FILES.get(path.suffix.lower())


def find(wanted: Adopted) -> Iterator[Finished | Problem]:
    """List finished labels, and what is wrong with where they are looked for."""
    try:
        yield from _find(wanted)
    except ImageError as error:
        yield Problem(path=str(wanted.path), problem=str(error))


def _find(wanted: Adopted) -> Iterator[Finished | Problem]:
    path, task = wanted.path, wanted.task
    if not path.exists():
        yield Problem(path=str(path), problem="There are no finished labels: it is not there.")
    elif path.is_dir():
        yield from _in_folder(wanted)
    elif single_file_task(path) != task:
        yield Problem(
            path=str(path),
            problem=f"It is a file that holds no labels of {task.value} for many images. Name a "
            "folder, of instances a COCO file (.json), of classes a table (.csv).",
        )
    elif task is Task.INSTANCES:
        yield from _in_coco_file(wanted)
    else:
        yield from _in_table(wanted)


def _in_folder(wanted: Adopted) -> Iterator[Finished | Problem]:
    inside = wanted.store.inside(wanted.path)
    if wanted.task is Task.SEGMENTATION and inside == "":
        yield Problem(
            path=str(wanted.path),
            problem="Masks cannot lie among the images, which they look like. Give them a folder "
            "of their own.",
        )
        return
    files = wanted.store.labels(
        wanted.path,
        images=wanted.task is not Task.CLASSIFICATION and inside != "",
        documents=wanted.task is not Task.SEGMENTATION,
    )
    named = set()
    for name, path in files:
        named.add(name)
        yield _of_file(name, path, wanted.task)
    if wanted.task is Task.CLASSIFICATION:
        found = _sorted_images(wanted) if inside is None else _sorted_samples(wanted, inside)
        yield from (each for each in found if _is_news(each, named))


def _is_news(found: Finished | Problem, named: set[str]) -> bool:
    return isinstance(found, Problem) or not named.intersection(found.names)


def _of_file(name: str, path: Path, task: Task) -> Finished | Problem:
    try:
        suffix = label_suffix(path.name, task)
    except ImageError as error:
        return Problem(path=str(path), problem=str(error))
    return Finished(
        names=(name,), content=path, suffix=suffix, file=path, origin=str(path), place=str(path)
    )


def _sorted_samples(wanted: Adopted, inside: str) -> Iterator[Finished | Problem]:
    """Take the folders that samples lie in for their classes."""
    strange: set[PurePosixPath] = set()
    for name in wanted.names():
        folder = PurePosixPath(name).parent
        if not folder.name or not folder.is_relative_to(inside):
            continue
        place = str(wanted.store.root / name)
        if folder.name in wanted.schema.names:
            yield _of_class((name,), folder.name, wanted.path, place)
        elif folder not in strange:
            strange.add(folder)
            yield _no_class(wanted.store.root / folder, wanted.schema)


def _sorted_images(wanted: Adopted) -> Iterator[Finished | Problem]:
    """Take the folders that copies of images lie in for their classes."""
    strange: set[PurePosixPath] = set()
    for name, path in wanted.store.labels(wanted.path):
        whole = PurePosixPath(name)
        folder = whole.parent
        title = (wanted.path / folder).name
        if title in wanted.schema.names:
            names = (str(folder.parent / whole.name), name)
            yield _of_class(names, title, path, str(path))
        elif folder not in strange:
            strange.add(folder)
            yield _no_class(wanted.path / folder, wanted.schema)


def _of_class(names: Sequence[str], folder: str, file: Path, place: str) -> Finished:
    return Finished(
        names=names,
        content=partial(encode_class_names, (folder,)),
        suffix=".json",
        file=file,
        origin=place,
        place=place,
    )


def _no_class(folder: Path, schema: LabelSchema) -> Problem:
    return Problem(
        path=str(folder),
        problem=f"Images lie in folder {folder.name!r}, which is no class; the classes are "
        f"{', '.join(schema.names)}.",
    )


def _in_table(wanted: Adopted) -> Iterator[Finished | Problem]:
    for row in class_rows(wanted.path, wanted.schema, wanted.limits):
        place = f"{wanted.path}, line {row.line}"
        if row.problem:
            yield Problem(path=place, problem=row.problem)
        elif row.classes is not None:
            yield Finished(
                names=names_of(row.image),
                content=partial(encode_class_names, row.classes),
                suffix=".json",
                file=wanted.path,
                # Lines move when others are added.
                origin=f"{wanted.path}#{row.image}",
                place=place,
                in_any_folder=True,
            )


def _in_coco_file(wanted: Adopted) -> Iterator[Finished | Problem]:
    name = wanted.path.name
    found = read_json(wanted.path, wanted.limits, most_bytes=_MOST_COCO_BYTES)
    document = coco_document(found, name)
    of_image: dict[int | str, list[Entry]] = {each: [] for each in document.images}
    for each in document.annotations:
        try:
            of_image[image_id(each, document, name)].append(each)
        except ImageError as error:
            place = f"{wanted.path}, annotation {shown(each.get('id'))}"
            yield Problem(path=place, problem=str(error))
    for number, image in document.images.items():
        file_name = image.get("file_name")
        if not isinstance(file_name, str):
            place = f"{wanted.path}, image {shown(number)}"
            yield Problem(path=place, problem="The image has no file_name.")
            continue
        yield Finished(
            names=names_of(file_name),
            content=partial(_of_one_image, document, image, of_image[number]),
            suffix=".json",
            file=wanted.path,
            origin=f"{wanted.path}#{file_name}",
            place=f"{wanted.path}, image {shown(file_name)}",
            in_any_folder=True,
        )


def _of_one_image(document: CocoDocument, image: Entry, annotations: list[Entry]) -> bytes:
    """Cut one image out of a COCO file, with nothing that other images share and may change."""
    numbers = [each.get("category_id") for each in annotations]
    told = {
        "images": [{key: image.get(key) for key in ("id", "width", "height", "file_name")}],
        "categories": [
            {"id": number, "name": name}
            for number, name in document.categories.items()
            if number in numbers
        ],
        "annotations": [{key: each[key] for key in _KEPT if key in each} for each in annotations],
    }
    return json.dumps(told, separators=(",", ":")).encode()


def names_of(told: str) -> tuple[str, ...]:
    """Return what an image may be called in the store, given a path to it from anywhere.

    Nothing is called by a text that cannot be printed.

    Example:
        >>> names_of("train/images/a.png")
        ('train/images/a', 'images/a', 'a')
    """
    if not told.isprintable():
        return ()
    parts = [each for each in told.replace("\\", "/").split("/") if each not in ("", ".", "..")]
    if not parts:
        return ()
    suffix = image_suffix(parts[-1])
    if suffix is not None:
        parts[-1] = parts[-1][: -len(suffix)]
    starts = range(max(0, len(parts) - 1 - _MOST_FOLDERS), len(parts))
    return tuple("/".join(parts[start:]) for start in starts)
