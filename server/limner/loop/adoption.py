"""Adopting finished labels: each becomes a submitted label of its image.

A person's label is never put aside by an adopted one: only a sample without a label, or whose label
was itself adopted, takes one. A source that has not changed is not adopted again.

No strategy had a hand in these labels, so some of them, drawn at random by the project's seed, join
the validation set as long as it lacks samples. Without that, a project that begins with many
labels would train on all of them and could measure nothing.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from limner.errors import Conflict, InvalidRequest, NotFound
from limner.loop.adopted_sources import Adopted, Finished, find
from limner.loop.collect import ADOPTED, Labels
from limner.loop.projects import Projects
from limner.records import labels as label_rows
from limner.records import samples as sample_rows
from limner.records.database import Records
from limner.records.rows import Label, Project, Sample, SampleState
from limner.stores.entries import Problem

USABLE = frozenset({SampleState.READY, SampleState.LABELLED, SampleState.SET_ASIDE})
"""States of samples that take a label."""

_BATCH = 500
_CLOCKS_DIFFER_S = 60.0
"""How far the clock of a file server may be from ours."""
_MOST_PROBLEMS = 100
"""Problems of one source that are told one by one."""
_NAMES = 5000


class Adoption:
    """Looks through finished labels."""

    def __init__(self, records: Records, projects: Projects, labels: Labels) -> None:
        self._records = records
        self._projects = projects
        self._labels = labels
        # By label: where it was last found unchanged, and the change time of the file there.
        self._compared: dict[int, tuple[str, int]] = {}

    def adopt(self, project: Project, problems: dict[str, str]) -> Iterator[str]:
        """Adopt the labels that are not adopted yet, yielding the place of each as it is kept.

        Args:
            project: The project; without a place to look for labels nothing happens.
            problems: What cannot be adopted is added here, with the reason.
        """
        path = project.store.get("labels")
        if path is not None:
            found = find(self._wanted(project, Path(path)))
            yield from self.adopt_found(project, found, Path(path), problems)

    def adopt_found(
        self,
        project: Project,
        found: Iterable[Finished | Problem],
        path: Path,
        problems: dict[str, str],
        *,
        most_problems: int | None = _MOST_PROBLEMS,
    ) -> Iterator[str]:
        """Adopt these labels, as far as they are not adopted yet; like `adopt`.

        Args:
            project: The project.
            found: What was found, and what is wrong with where it was looked for.
            path: Where that was.
            problems: What cannot be adopted is added here, with the reason.
            most_problems: How many are told one by one; None for all.
        """
        look = _Look(path, problems, most_problems)
        listed = []
        for each in found:
            if isinstance(each, Problem):
                look.report(each.path, each.problem)
            else:
                listed.append(each)
        settings = self._projects.settings(project)
        missing = max(0, settings.validation_target - project.validation)
        # As many as the set lacks, spread over all the labels and not taken from their beginning.
        share = min(settings.validation_share, missing / max(1, len(listed)))
        lost: list[Finished] = []
        for batch in _batches(listed):
            pairs, without = self._matched(project, batch)
            lost += without
            yield from self._adopt_pairs(project, pairs, share, look)
        for batch in _batches(self._moved(project, lost, look)):
            pairs, _ = self._matched(project, batch)
            yield from self._adopt_pairs(project, pairs, share, look)
        look.close()

    def _wanted(self, project: Project, path: Path) -> Adopted:
        return Adopted(
            path=path,
            task=self._projects.task(project),
            schema=self._projects.schema(project),
            store=self._projects.store(project),
            limits=self._projects.limits,
            names=lambda: self._names(project),
        )

    def _names(self, project: Project) -> Iterator[str]:
        """List the names of the samples that could take a label."""
        after = 0
        while True:
            with self._records.read() as tx:
                rows = sample_rows.names_beyond(tx, project.id, after=after, limit=_NAMES)
            if not rows:
                return
            after = rows[-1][0]
            yield from (name for _, name, state in rows if state in USABLE)

    def _matched(
        self, project: Project, batch: Sequence[Finished]
    ) -> tuple[list[tuple[Finished, Sample]], list[Finished]]:
        """Return the labels whose images are there, with them, and the others."""
        names = {name for each in batch for name in each.names}
        with self._records.read() as tx:
            samples = sample_rows.by_names(tx, project.id, names)
        pairs, without = [], []
        for each in batch:
            name = next((name for name in each.names if name in samples), None)
            if name is None:
                without.append(each)
            else:
                pairs.append((each, samples[name]))
        return pairs, without

    def _moved(self, project: Project, lost: Sequence[Finished], look: _Look) -> Iterator[Finished]:
        """Yield labels whose images lie in folders that nothing was said of; report the others."""
        wanted = {each.names[-1] for each in lost if each.names and each.in_any_folder}
        found: dict[str, list[str]] = {}
        for name in self._names(project) if wanted else ():
            file = name.rpartition("/")[2]
            if file in wanted:
                found.setdefault(file, []).append(name)
        for each in lost:
            names = found.get(each.names[-1], []) if each.names and each.in_any_folder else []
            if len(names) == 1:
                yield replace(each, names=names)
            elif names:
                look.report(
                    each.place,
                    f"A label of any of {len(names)} images, such as {names[0]!r} and "
                    f"{names[1]!r}: it must name the folder.",
                )
            else:
                told = repr(each.names[0][:200]) if each.names else "without a name"
                look.report(each.place, f"A label without an image: the store has no image {told}.")

    def _adopt_pairs(
        self,
        project: Project,
        pairs: Sequence[tuple[Finished, Sample]],
        share: float,
        look: _Look,
    ) -> Iterator[str]:
        with self._records.read() as tx:
            adopted = label_rows.adopted(tx, [sample.id for _, sample in pairs])
        for found, sample in pairs:
            if sample.id in look.taken:
                look.report(found.place, f"A second label of image {sample.name!r}.")
                continue
            look.taken.add(sample.id)
            if sample.state not in USABLE:
                look.report(found.place, f"A label whose image is {sample.state}.")
            elif self._is_wanted(sample, adopted.get(sample.id), found):
                # The end of the random order that the validation set is always drawn from.
                for_validation = sample.draw >= 1 - share
                if self._is_adopted(project, sample, found, for_validation, look):
                    yield found.place

    def _is_wanted(self, sample: Sample, adopted: Label | None, found: Finished) -> bool:
        if adopted is None:
            return sample.label_id is None
        if sample.label_id not in (None, adopted.id):
            return False
        if sample.label_id is not None and found.author not in (None, adopted.author):
            return True
        try:
            return not (self._is_same(found, adopted) or _is_left_over(found, adopted))
        except OSError:
            return False

    def _is_adopted(
        self,
        project: Project,
        sample: Sample,
        found: Finished,
        for_validation: bool,
        look: _Look,
    ) -> bool:
        """Try to keep a label, and report it where that fails."""
        try:
            self._labels.adopt(
                project,
                sample,
                found.content if isinstance(found.content, Path) else found.content(),
                suffix=found.suffix,
                origin=found.origin,
                for_validation=for_validation,
                author=found.author or ADOPTED,
                remarks=found.remarks,
                at=found.at,
            )
        except (InvalidRequest, Conflict, NotFound) as error:
            look.report(found.place, str(error))
            return False
        return True

    def _is_same(self, found: Finished, adopted: Label) -> bool:
        """Tell whether what was found is what was adopted.

        A file that was not touched since is not read again. The time of its last change of any kind
        counts (`ctime`): a copy keeps the time that it was written at, and may be older than what
        it replaces.
        """
        status = os.stat(found.file)
        is_file = isinstance(found.content, Path)
        if is_file and status.st_size != adopted.size_bytes:
            return False
        is_old = status.st_ctime < adopted.created_at - _CLOCKS_DIFFER_S
        if is_old and adopted.adopted_from == found.origin:
            return True
        if self._compared.get(adopted.id) == (found.origin, status.st_ctime_ns):
            return True
        is_same = _digest(found.content) == adopted.sha256
        if is_same:
            self._compared[adopted.id] = (found.origin, status.st_ctime_ns)
        return is_same


class _Look:
    """What one look at a source has seen."""

    def __init__(self, path: Path, problems: dict[str, str], most: int | None) -> None:
        self.taken: set[int] = set()
        """Samples that a label was found for."""
        self._path = path
        self._problems = problems
        self._most = sys.maxsize if most is None else most
        self._told = 0

    def report(self, place: str, problem: str) -> None:
        """Tell of a problem, or of one more of many."""
        self._told += 1
        if self._told <= self._most:
            self._problems[place] = problem

    def close(self) -> None:
        """Say how many problems were not told one by one."""
        if self._told > self._most:
            self._problems[str(self._path)] = (
                f"{self._told - self._most} more labels cannot be adopted; put right those "
                "that are listed first."
            )


def _is_left_over(found: Finished, adopted: Label) -> bool:
    """Tell whether a file is what another format of the same label has taken the place of."""
    if not isinstance(found.content, Path) or adopted.adopted_from in (None, found.origin):
        return False
    newer = Path(adopted.adopted_from)
    if newer.parent != found.file.parent or not newer.is_file():
        return False
    return os.stat(newer).st_mtime_ns >= os.stat(found.file).st_mtime_ns


def _batches(found: Iterable[Finished]) -> Iterator[list[Finished]]:
    rest = iter(found)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _digest(content: Path | Callable[[], bytes]) -> str:
    if not isinstance(content, Path):
        return hashlib.sha256(content()).hexdigest()
    with open(content, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
