"""The studies folder of a MONAI Label server, read and never written.

```
FOLDER/case1.nii.gz …               images; an image's id is its name without the suffix
FOLDER/datastore_v2.json            what is known of images and labels, by id
FOLDER/labels/TAG/case1.nii.gz …    labels, called like their images; the tag `final` is the label
```

The files are what is there; the document only says more of them. It may be missing, cut off or
older than the files, as its server writes it in place.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limner.images import image_suffix
from limner.stores.entries import Problem

DOCUMENT = "datastore_v2.json"
LABELS = "labels"
"""Folder of labels, in a folder for each tag."""
FINAL = "final"
"""The tag of the label itself."""
ORIGINAL = "original"
"""The tag of what a model drew."""

_MOST_BYTES = 512 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyLabel:
    """A label that was found."""

    image: str
    """File name of its image."""
    tag: str
    """Name of the folder that it lies in."""
    path: Path
    info: Mapping[str, Any]
    """What the document says of it; empty where it says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Studies:
    """What a studies folder holds."""

    root: Path
    images: Mapping[str, Mapping[str, Any]]
    """What the document says of each image, by its file name."""
    labels: tuple[StudyLabel, ...] = ()
    """By tag and name. Of two labels of one image, that of the document comes first."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with the folder or was left out, by path inside it."""


def labels_folder(root: Path) -> Path | None:
    """Return the folder of labels of a studies folder; None where a folder is no such one."""
    labels = root / LABELS
    if not labels.is_dir() or labels.is_symlink():
        return None
    has_tags = (labels / FINAL).is_dir() or (labels / ORIGINAL).is_dir()
    return labels if has_tags or (root / DOCUMENT).is_file() else None


def final_labels(root: Path) -> Path | None:
    """Return where a studies folder has its finished labels; None where it has none."""
    labels = labels_folder(root)
    final = None if labels is None else labels / FINAL
    return final if final is not None and final.is_dir() and not final.is_symlink() else None


def read_studies(root: Path) -> Studies:
    """List images and labels, with what is known of them. No image is opened."""
    return _Reading(root).result()


@dataclass(slots=True)
class _Reading:
    """One look at a studies folder."""

    root: Path
    problems: list[Problem] = field(default_factory=list)
    known: dict[tuple[str, str], tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    """By tag and file name of a label: its image's file name, and what is said of the label."""

    def result(self) -> Studies:
        listed = self._listed(self.root)
        names = [each.name for each in listed if image_suffix(each.name) and each.is_file()]
        images: dict[str, Mapping[str, Any]] = {name: {} for name in names}
        by_id: dict[str, str] = {}
        for name in names:
            by_id.setdefault(_id_of(name), name)
        for image_id, entry in self._objects():
            self._take(image_id, entry, images, by_id)
        return Studies(
            root=self.root,
            images=images,
            labels=tuple(self._labels(by_id)) if labels_folder(self.root) else (),
            problems=tuple(self.problems),
        )

    def _objects(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield what the document says of each image."""
        try:
            document = _parsed(self.root / DOCUMENT)
        except FileNotFoundError:
            self._say(DOCUMENT, "It is not there, so nothing is known of authors and times.")
            return
        except (OSError, ValueError, RecursionError) as error:
            self._say(
                DOCUMENT,
                f"It cannot be read ({error}), so nothing is known of authors and times. Images "
                "and labels are taken as they lie in the folder.",
            )
            return
        for key, usual in (("images_dir", "."), ("labels_dir", LABELS)):
            if document.get(key, usual) != usual:
                self._say(
                    DOCUMENT,
                    f"{key} is {_words(document[key])}; only what lies in {usual!r} is looked at.",
                )
        objects = document.get("objects")
        if not isinstance(objects, dict):
            self._say(DOCUMENT, "It has no `objects`, so nothing is known of authors and times.")
            return
        for image_id, entry in objects.items():
            if isinstance(entry, dict) and isinstance(entry.get("image"), dict):
                yield image_id, entry
            else:
                self._say(f"{DOCUMENT}#{image_id[:200]}", "It says nothing of an image.")

    def _take(
        self,
        image_id: str,
        entry: Mapping[str, Any],
        images: dict[str, Mapping[str, Any]],
        by_id: dict[str, str],
    ) -> None:
        place = f"{DOCUMENT}#{image_id[:200]}"
        image = entry["image"]
        name = f"{image_id}{_text(image.get('ext'))}"
        if not _is_plain(name):
            self._say(place, "The image's name leads to another folder, so it is left out.")
            return
        if name not in images:
            name = by_id.get(image_id, "")
        if not name:
            file = f"{image_id}{_text(image.get('ext'))}"
            is_there = (self.root / file).exists()
            what = "in no format that is read" if is_there else "not in the folder"
            self._say(place, f"The image {file} is {what}.")
            return
        by_id[image_id] = name
        images[name] = _object(image.get("info"))
        for tag, label in _object(entry.get("labels")).items():
            told = _object(label)
            file = f"{image_id}{_text(told.get('ext'))}"
            if not _is_plain(tag) or not _is_plain(file):
                self._say(place, f"The label {tag[:100]!r} leads to another folder; left out.")
            elif not self._is_file(Path(self.root, LABELS, tag, file)):
                self._say(place, f"The label {tag}/{file} is not in the folder.")
            else:
                self.known[tag, file] = name, _object(told.get("info"))

    def _labels(self, by_id: Mapping[str, str]) -> Iterator[StudyLabel]:
        folder = self.root / LABELS
        for tag in self._folders(folder):
            files = self._files(folder / tag)
            for file in sorted(files, key=lambda each: ((tag, each) not in self.known, each)):
                image, info = self.known.get((tag, file)) or (_image_of(file, by_id), {})
                if image:
                    path = folder / tag / file
                    yield StudyLabel(image=image, tag=tag, path=path, info=info)
                else:
                    self._say(f"{LABELS}/{tag}/{file}", "A label without an image.")

    def _folders(self, folder: Path) -> list[str]:
        """Return the names of the folders in one, in order; none of links to others."""
        return [each.name for each in self._listed(folder) if each.is_dir(follow_symlinks=False)]

    def _files(self, folder: Path) -> list[str]:
        """Return the names of the files in a folder, in order; none of links that lead out."""
        return [each.name for each in self._listed(folder) if each.is_file()]

    def _listed(self, folder: Path) -> list[os.DirEntry[str]]:
        """Return what a folder holds and may be looked at, in the order of the names."""
        try:
            with os.scandir(folder) as found:
                seen = sorted(found, key=lambda each: each.name)
        except OSError:
            return []
        root = os.path.realpath(self.root).rstrip(os.sep) + os.sep
        usable = []
        for each in seen:
            place = os.path.relpath(each.path, self.root)
            if each.name.startswith("."):
                continue
            if not _is_plain(each.name):
                self._say(place, "The name is not valid UTF-8, or cannot be shown; rename it.")
            elif each.is_symlink() and not os.path.realpath(each.path).startswith(root):
                self._say(place, "The link leads out of the folder, so it is not followed.")
            else:
                usable.append(each)
        return usable

    def _is_file(self, path: Path) -> bool:
        return path.is_file() and not path.parent.is_symlink()

    def _say(self, place: str, problem: str) -> None:
        self.problems.append(Problem(path=_printable(place), problem=problem))


def _parsed(path: Path) -> dict[str, Any]:
    """Read the document: anything that Python's own writer makes, NaN as nothing.

    Raises:
        ValueError: It is no JSON object.
    """
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise ValueError(f"it has {size:,} bytes; at most {_MOST_BYTES:,} are read")
    document = json.loads(
        path.read_bytes() or b"",
        parse_constant=lambda _: None,
        parse_float=lambda text: value if math.isfinite(value := float(text)) else None,
    )
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    return document


def _id_of(name: str) -> str:
    """Return the id that MONAI Label gives a file: its name, every mention of the suffix removed.

    Example:
        >>> _id_of("p.v1.nii.gz"), _id_of("a.png.b.png")
        ('p.v1', 'a.b')
    """
    suffix = image_suffix(name) or os.path.splitext(name)[1]
    return name.replace(name[-len(suffix) :], "") if suffix else name


def _image_of(file: str, by_id: Mapping[str, str]) -> str:
    """Return the image that a label belongs to by its name; empty where there is none.

    3D Slicer's `NAME.seg.nrrd` belongs to `NAME`.
    """
    label_id = _id_of(file)
    return by_id.get(label_id) or by_id.get(label_id.removesuffix(".seg"), "")


def _is_plain(name: str) -> bool:
    """Tell whether a name is one of a file in a folder, and of no other."""
    return name.isprintable() and name not in ("", ".", "..") and "/" not in name


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _words(value: Any) -> str:
    return repr(value)[:100]


def _printable(name: str) -> str:
    """Return a name that can be written down, whatever it has."""
    return name.encode("utf-8", errors="replace").decode()
