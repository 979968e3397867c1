"""Looking for the labels that are known: matched with their images, and each read once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from limner.errors import ImageError, SettingsError
from limner.images import read_label
from limner.images.class_labels import chosen
from limner.loop.adopted_sources import Adopted, Finished, find
from limner.plugin import Answer, ClassScores, LabelSchema, Task
from limner.settings import Limits
from limner.simulate.costs import cost_of
from limner.simulate.truth import Known, Truth
from limner.simulate.whole_files import write_whole
from limner.stores.entries import Entry, Problem
from limner.stores.folder import FolderStore

_FILES = "labels"
_LIMITS = Limits()

OnStep = Callable[[int, int], None]
"""Told how many labels have been read, and of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """An image and the label that was found for it; nothing of it has been read."""

    image: Entry
    label: Finished


def found_in(
    path: Path, images: Path, schema: LabelSchema, task: Task
) -> tuple[list[Entry], list[Finished | Problem]]:
    """List the images of a folder and the finished labels of a place, as they are adopted from.

    Args:
        path: Folder of label files, COCO file, table, or folder of folders that are called like
            classes.
        images: Folder of images.
        schema: The classes.
        task: What the labels are.

    Raises:
        SettingsError: There is no image.
    """
    exclude = () if task is Task.CLASSIFICATION else (path,)
    store = FolderStore(images, exclude=exclude)
    entries = [each for each in store.scan() if isinstance(each, Entry)]
    if not entries:
        raise SettingsError(f"There is no image in {images}.")
    wanted = Adopted(
        path=path,
        task=task,
        schema=schema,
        store=store,
        limits=_LIMITS,
        names=lambda: [each.name for each in entries],
    )
    return entries, list(find(wanted))


def matched(
    entries: Iterable[Entry], found: Iterable[Finished | Problem], problems: dict[str, str]
) -> list[Match]:
    """Put images and labels together, by the names that labels give; the first label counts.

    Args:
        entries: The images.
        found: The labels, and what is wrong where they were looked for.
        problems: What has no image is added here.
    """
    images = {each.name: each for each in entries}
    by_file: dict[str, list[str]] = {}
    for whole in images:
        by_file.setdefault(whole.rpartition("/")[2], []).append(whole)
    pairs: dict[str, Match] = {}
    for each in found:
        if isinstance(each, Problem):
            problems[each.path] = each.problem
            continue
        name: str | None = next((told for told in each.names if told in images), None)
        if name is None and each.in_any_folder and each.names:
            alike = by_file.get(each.names[-1], [])
            name = alike[0] if len(alike) == 1 else None
        if name is None:
            problems[each.place] = "A label without an image."
        elif name in pairs:
            problems[each.place] = f"A second label of image {name!r}."
        else:
            pairs[name] = Match(image=images[name], label=each)
    return [pairs[name] for name in sorted(pairs)]


def digest_of(matches: Sequence[Match]) -> str:
    """Name a set of images and labels by what the labels hold and how large the images are."""
    digest = hashlib.sha256()
    for each in matches:
        content = hashlib.sha256(_content(each.label)).hexdigest()
        line = f"{each.image.name}/{each.image.size_bytes}/{content}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def read_truth(
    matches: Sequence[Match],
    folder: Path,
    *,
    images: Path,
    modality: str,
    schema: LabelSchema,
    task: Task,
    problems: dict[str, str],
    on_step: OnStep,
) -> Truth:
    """Read every label once, check it against its image, and say what it costs.

    Args:
        matches: Images with their labels.
        folder: Where labels are kept that are no files of their own.
        images: Folder of the images.
        modality: Of all of them.
        schema: The classes.
        task: What the labels are.
        problems: What cannot be used is added here.
        on_step: Told how far it is.
    """
    store = FolderStore(images)
    known = {}
    for done, each in enumerate(matches):
        on_step(done, len(matches))
        name = each.image.name
        source = store.source(each.image.files, _LIMITS, modality, name)
        label = _file(each.label, folder / _FILES)
        try:
            suffix = each.label.suffix
            answer = read_label(label, suffix, source.header(), schema, task, _LIMITS)
        except ImageError as error:
            problems[each.label.place] = str(error)
            continue
        known[name] = Known(
            name=name,
            files=tuple(each.image.files),
            label=label,
            suffix=suffix,
            cost=cost_of(answer, task),
            stratum=_stratum(answer, schema),
        )
    on_step(len(matches), len(matches))
    return Truth(images=images, modality=modality, known=known, problems=problems)


def _content(label: Finished) -> bytes:
    return label.content.read_bytes() if isinstance(label.content, Path) else label.content()


def _file(label: Finished, folder: Path) -> Path:
    """Return the file of a label; one that is none yet is named by what it holds.

    So nothing that another comparison has left in the folder is written over.
    """
    if isinstance(label.content, Path):
        return label.content.absolute()
    content = label.content()
    place = folder / f"{hashlib.sha256(content).hexdigest()[:32]}{label.suffix}"
    if not place.is_file():
        write_whole(place, content)
    return place.absolute()


def _stratum(answer: Answer, schema: LabelSchema) -> str:
    return "+".join(chosen(answer, schema)) if isinstance(answer, ClassScores) else ""
