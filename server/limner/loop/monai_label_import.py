"""Adopting the studies folder of a MONAI Label server: images, labels by tag, and who drew them.

Every image becomes a sample. What lies under `final` becomes its label by the rules of adoption
(`limner.loop.adoption`), what lies under any other tag a draft of that tag. The folder stays as it
is; doing it again takes in only what is new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from limner.errors import Conflict, InvalidRequest, NotFound
from limner.images import image_suffix, label_suffix
from limner.loop.adopted_sources import Finished
from limner.loop.adoption import USABLE, Adoption
from limner.loop.collect import ADOPTED, Labels
from limner.loop.ingest import Ingest
from limner.loop.projects import Projects
from limner.loop.tags import checked_remarks, checked_tag, newest
from limner.loop.texts import checked_annotator
from limner.records import audit, remarks
from limner.records import labels as label_rows
from limner.records import samples as sample_rows
from limner.records.database import Records
from limner.records.rows import Label, Project, Sample
from limner.stores.entries import Problem
from limner.stores.monai_label_folder import FINAL, LABELS, Studies, StudyLabel

_BATCH = 500
_T = TypeVar("_T")


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of the labels under one tag."""

    found: int = 0
    taken: int = 0
    left: int = 0
    """Left out, each with a problem."""

    @property
    def known(self) -> int:
        """There already, or overtaken by a person's label."""
        return self.found - self.taken - self.left


@dataclass(slots=True, kw_only=True)
class Imported:
    """What an import found and did."""

    images: int = 0
    """Samples of the project."""
    unreadable: int = 0
    """Those of them whose image cannot be read."""
    labels: dict[str, Tally] = field(default_factory=dict)
    """By tag, `final` first."""
    problems: dict[str, str] = field(default_factory=dict)
    """What was not taken in, by where it lies, with the reason."""


class MonaiLabelImport:
    """Takes a studies folder into a project that is there."""

    def __init__(
        self,
        records: Records,
        projects: Projects,
        ingest: Ingest,
        labels: Labels,
        clock: Callable[[], float],
    ) -> None:
        self._records = records
        self._projects = projects
        self._ingest = ingest
        self._labels = labels
        self._clock = clock
        self._adoption = Adoption(records, projects, labels)

    def run(
        self, project: str, studies: Studies, on_label: Callable[[], object] = lambda: None
    ) -> Imported:
        """Take in images, labels and what is noted of both; what cannot be is said and stays.

        Args:
            project: Its name; its images are those of the folder.
            studies: What the folder holds.
            on_label: Called after every label that was looked at.

        Raises:
            NotFound: There is no such project.
            StorageFull: The disk is full; what was taken in stays, and doing it again goes on.
        """
        done = Imported(problems={each.path: each.problem for each in studies.problems})
        # The labels are adopted here, where it is known who drew them, and not as they are found.
        done.problems.update(self._ingest.sync(project, adopts=False).problems)
        found = self._projects.get(project)
        done.images, done.unreadable = found.samples, found.unreadable
        self._remark(found, studies, done)
        by_tag: dict[str, list[StudyLabel]] = {FINAL: []}
        for each in studies.labels:
            by_tag.setdefault(each.tag, []).append(each)
        for tag, labels in by_tag.items():
            done.labels[tag] = Tally(found=len(labels))
        for tag, labels in by_tag.items():
            if tag != FINAL:
                self._adopt_drafts(found, studies.root, tag, labels, done, on_label)
        # Last, so that the label itself is every sample's newest version.
        self._adopt_final(found, studies.root, by_tag[FINAL], done, on_label)
        if any(each.taken for each in done.labels.values()):
            self._audit(found, done)
            self._labels.tell_retrain(found.id)
        return done

    def _remark(self, project: Project, studies: Studies, done: Imported) -> None:
        """Keep what is noted of images; what has been noted here since stays."""
        noted = ((name, info) for name, info in studies.images.items() if info)
        for batch in _batches(noted):
            samples = self._samples(project, [name for name, _ in batch])
            with self._records.write() as tx:
                before = remarks.of_samples(tx, [each.id for each in samples.values()])
                for name, info in batch:
                    sample = samples.get(name)
                    if sample is None:
                        continue
                    known = before.get(sample.id, {})
                    joined = {**info, **known}
                    try:
                        if joined != known:
                            remarks.set_on_sample(tx, sample.id, checked_remarks(joined))
                    except InvalidRequest as error:
                        done.problems[name] = str(error)

    def _adopt_final(
        self,
        project: Project,
        root: Path,
        labels: Sequence[StudyLabel],
        done: Imported,
        on_label: Callable[[], object],
    ) -> None:
        tally, problems = done.labels[FINAL], dict[str, str]()
        found = (self._finished(project, each, done) for each in labels)
        place = root / LABELS / FINAL
        for _ in self._adoption.adopt_found(project, found, place, problems, most_problems=None):
            tally.taken += 1
            on_label()
        tally.left = len(problems)
        for _ in range(tally.known + tally.left):
            on_label()
        done.problems.update(_inside(root, problems))

    def _finished(self, project: Project, label: StudyLabel, done: Imported) -> Finished | Problem:
        try:
            suffix = label_suffix(label.path.name, self._projects.task(project))
        except InvalidRequest as error:
            return Problem(path=str(label.path), problem=str(error))
        try:
            noted = checked_remarks(label.info)
        except InvalidRequest as error:
            done.problems[f"{LABELS}/{label.tag}/{label.path.name}, its notes"] = str(error)
            noted = {}
        return Finished(
            names=_names_of(label.image),
            content=label.path,
            suffix=suffix,
            file=label.path,
            origin=str(label.path),
            place=str(label.path),
            author=_author(label.info),
            at=_time(label.info, self._clock()),
            remarks=noted,
        )

    def _adopt_drafts(
        self,
        project: Project,
        root: Path,
        tag: str,
        labels: Sequence[StudyLabel],
        done: Imported,
        on_label: Callable[[], object],
    ) -> None:
        tally, problems = done.labels[tag], dict[str, str]()
        taken: set[int] = set()
        for batch in _batches(labels):
            samples = self._samples(project, [each.image for each in batch])
            for each in batch:
                try:
                    sample = _usable(samples.get(each.image))
                    if sample.id in taken:
                        raise Conflict(f"A second label of image {sample.name!r}.")
                    taken.add(sample.id)
                    tally.taken += self._adopt_draft(project, sample, tag, each, done)
                except (InvalidRequest, Conflict, NotFound, OSError) as error:
                    problems[str(each.path)] = str(error)
                on_label()
        tally.left = len(problems)
        done.problems.update(_inside(root, problems))

    def _adopt_draft(
        self, project: Project, sample: Sample, tag: str, label: StudyLabel, done: Imported
    ) -> bool:
        """Keep a label under a tag, unless it is kept already; tell whether it is new."""
        checked_tag(tag)
        finished = self._finished(project, label, done)
        if isinstance(finished, Problem):
            raise InvalidRequest(finished.problem)
        author = finished.author or ADOPTED
        with self._records.read() as tx:
            kept = [each for each in label_rows.of_sample(tx, sample.id) if each.tag == tag]
        if _is_kept(kept, tag, author, label.path):
            return False
        self._labels.adopt(
            project,
            sample,
            label.path,
            suffix=finished.suffix,
            origin=finished.origin,
            author=author,
            tag=tag,
            remarks=finished.remarks,
            at=finished.at,
        )
        return True

    def _samples(self, project: Project, files: Sequence[str]) -> dict[str, Sample]:
        """Return the samples that image files belong to, by the files' names."""
        wanted = {file: _names_of(file) for file in files}
        names = {name for each in wanted.values() for name in each}
        with self._records.read() as tx:
            samples = sample_rows.by_names(tx, project.id, names)
        found = {}
        for file, likely in wanted.items():
            name = next((name for name in likely if name in samples), None)
            if name is not None:
                found[file] = samples[name]
        return found

    def _audit(self, project: Project, done: Imported) -> None:
        with self._records.write() as tx:
            audit.write(
                tx,
                at=self._clock(),
                project_id=project.id,
                actor=audit.SERVER,
                action="labels.imported",
                subject=f"project:{project.id}",
                details={
                    "taken": {tag: each.taken for tag, each in done.labels.items()},
                    "problems": len(done.problems),
                },
            )


def _usable(sample: Sample | None) -> Sample:
    """Return a sample that can take a label.

    Raises:
        Conflict: There is none, or its image cannot be used.
    """
    if sample is None:
        raise Conflict("A label whose image is no sample.")
    if sample.state not in USABLE:
        raise Conflict(f"A label whose image is {sample.state}.")
    return sample


def _is_kept(kept: Sequence[Label], tag: str, author: str, path: Path) -> bool:
    """Tell whether a label is kept already, or what somebody gave since stands in its place."""
    named = newest(kept).get(tag)
    if named is not None and named.adopted_from is None:
        return True
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return any((each.author, each.sha256) == (author, sha256) for each in kept)


def _names_of(file: str) -> tuple[str, ...]:
    """Return what the sample of an image file is called: its stem, or that of its channels."""
    stem = file[: -len(image_suffix(file) or "")] if image_suffix(file) else file
    is_channel = stem[-5:-4] == "_" and stem[-4:].isascii() and stem[-4:].isdigit()
    return (stem, stem[:-5]) if is_channel and stem[:-5] else (stem,)


def _author(info: Mapping[str, Any]) -> str | None:
    """Return who drew a label; None where that is not said, or no name that can be kept."""
    name = info.get("client_id")
    try:
        return checked_annotator(name) if isinstance(name, str) else None
    except InvalidRequest:
        return None


def _time(info: Mapping[str, Any], now: float) -> float | None:
    """Return when a label was drawn; None where that is not said, or cannot be."""
    at = info.get("ts")
    if isinstance(at, bool) or not isinstance(at, int | float):
        return None
    return float(at) if 0 < at <= now else None


def _inside(root: Path, problems: Mapping[str, str]) -> dict[str, str]:
    """Name the places of problems by their paths inside a folder."""
    return {place.removeprefix(f"{root}/"): problem for place, problem in problems.items()}


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        yield batch
