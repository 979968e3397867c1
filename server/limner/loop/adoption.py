"""Adopting finished labels that lie in a folder: each becomes a submitted label of its image.

A person's label is never put aside by an adopted one: only a sample without a label, or whose label
was itself adopted from that very file, takes one.

No strategy had a hand in these labels, so some of them, drawn at random by the project's seed, join
the validation set as long as it lacks samples. Without that, a project that begins with many
labels would train on all of them and could measure nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from limner.errors import Conflict, ImageError, NotFound
from limner.loop.collect import Labels
from limner.loop.uploads import mask_suffix
from limner.records import labels as label_rows
from limner.records import samples as sample_rows
from limner.records.database import Records
from limner.records.rows import Label, Project, Sample, SampleState
from limner.settings import ProjectSettings

_BATCH = 500
_CLOCKS_DIFFER_S = 60.0
"""How far the clock of a file server may be from ours."""
_USABLE = {SampleState.READY, SampleState.LABELLED, SampleState.SET_ASIDE}


class Adoption:
    """Looks through folders of finished labels."""

    def __init__(self, records: Records, labels: Labels) -> None:
        self._records = records
        self._labels = labels
        # By label: the change time of the file that was last found to hold it still.
        self._compared: dict[int, int] = {}

    def adopt(
        self,
        project: Project,
        settings: ProjectSettings,
        found: Iterable[tuple[str, Path]],
        problems: dict[str, str],
    ) -> Iterator[Label]:
        """Adopt the labels of a folder that are not adopted yet, yielding each as it is kept.

        Args:
            project: The project.
            settings: Its settings.
            found: Name of the image and the label's file, as the store lists them.
            problems: Files that cannot be adopted are added here, with the reason.
        """
        listed = list(found)
        missing = max(0, settings.validation_target - project.validation)
        # As many as the set lacks, spread over all the labels and not taken from their beginning.
        share = min(settings.validation_share, missing / max(1, len(listed)))
        for start in range(0, len(listed), _BATCH):
            yield from self._adopt_batch(project, listed[start : start + _BATCH], share, problems)

    def _adopt_batch(
        self,
        project: Project,
        batch: list[tuple[str, Path]],
        share: float,
        problems: dict[str, str],
    ) -> Iterator[Label]:
        with self._records.read() as tx:
            samples = sample_rows.by_names(tx, project.id, [name for name, _ in batch])
            adopted = label_rows.adopted(tx, [each.id for each in samples.values()])
        for name, path in batch:
            sample = samples.get(name)
            if sample is None:
                problems[str(path)] = f"A label without an image: the store has no image {name!r}."
            elif sample.state not in _USABLE:
                problems[str(path)] = f"A label whose image is {sample.state}."
            elif self._is_wanted(sample, adopted.get(sample.id), path):
                # The end of the random order that the validation set is always drawn from.
                for_validation = sample.draw >= 1 - share
                label = self._adopt_one(project, sample, path, for_validation, problems)
                if label is not None:
                    yield label

    def _is_wanted(self, sample: Sample, adopted: Label | None, path: Path) -> bool:
        if adopted is None:
            return sample.label_id is None
        if sample.label_id not in (None, adopted.id):
            return False
        try:
            return adopted.adopted_from != str(path) or not self._is_same(path, adopted)
        except OSError:
            return False

    def _adopt_one(
        self,
        project: Project,
        sample: Sample,
        path: Path,
        for_validation: bool,
        problems: dict[str, str],
    ) -> Label | None:
        try:
            suffix = mask_suffix(path.name)
            return self._labels.adopt(
                project, sample, path, suffix=suffix, for_validation=for_validation
            )
        except (ImageError, Conflict, NotFound) as error:
            problems[str(path)] = str(error)
            return None

    def _is_same(self, path: Path, adopted: Label) -> bool:
        """Tell whether a file still holds what was adopted from it.

        One that was not touched since is not read again. The time of its last change of any kind
        counts (`ctime`): a copy keeps the time that it was written at, and may be older than what
        it replaces.
        """
        status = os.stat(path)
        if status.st_size != adopted.size_bytes:
            return False
        if status.st_ctime < adopted.created_at - _CLOCKS_DIFFER_S:
            return True
        if self._compared.get(adopted.id) == status.st_ctime_ns:
            return True
        with open(path, "rb") as file:
            is_same = hashlib.file_digest(file, "sha256").hexdigest() == adopted.sha256
        if is_same:
            self._compared[adopted.id] = status.st_ctime_ns
        return is_same
