"""The labels of a project that people have labelled, as the truth of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limner.errors import NotFound, SettingsError
from limner.home import check_database
from limner.loop.adopted_sources import Finished
from limner.records import labels as label_rows
from limner.records import projects as project_rows
from limner.records.database import FILE_NAME, Records
from limner.records.rows import Label, Sample
from limner.stores.blobs import Blobs
from limner.stores.entries import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledProject:
    """A project of a home, and its samples that have a label."""

    name: str
    app: str
    images: Path
    labels: Mapping[str, int]
    settings: Mapping[str, Any]
    """As the project has them."""
    entries: tuple[Entry, ...]
    """Its labelled images."""
    found: tuple[Finished, ...]
    """Their labels, one each."""


def labelled_project(home: Path, name: str) -> LabelledProject:
    """Read a project of a home; a server may run there meanwhile.

    Raises:
        SettingsError: There is no home, no such project, or no label.
    """
    if not (home / FILE_NAME).is_file():
        raise SettingsError(f"{home} is no home of a Limner server: it holds no {FILE_NAME}.")
    check_database(home, FILE_NAME)
    records = Records.open(home)
    try:
        return _read(records, Blobs(home / "blobs"), home, name)
    finally:
        records.close()


def _read(records: Records, blobs: Blobs, home: Path, name: str) -> LabelledProject:
    with records.read() as tx:
        project = project_rows.by_name(tx, name)
        if project is None:
            names = ", ".join(each.name for each in project_rows.page(tx, after=0, limit=50))
            raise SettingsError(
                f"There is no project {name!r} in {home}; there are: {names or 'none'}."
            )
    pairs = list(_labelled(records, project.id))
    if not pairs:
        raise SettingsError(f"Project {name} of {home} has no submitted label to learn from.")
    return LabelledProject(
        name=name,
        app=project.app,
        images=Path(project.store["path"]),
        labels={each["name"]: each["value"] for each in project.schema},
        settings=project.settings,
        entries=tuple(_entry(sample) for _, sample in pairs),
        found=tuple(_finished(label, sample, blobs) for label, sample in pairs),
    )


def _labelled(records: Records, project_id: int) -> Iterator[tuple[Label, Sample]]:
    after = 0
    while True:
        with records.read() as tx:
            found = label_rows.current(tx, project_id, after=after)
        if not found:
            return
        yield from found
        after = found[-1][0].id


def _entry(sample: Sample) -> Entry:
    return Entry(
        name=sample.name,
        files=tuple(sample.files),
        size_bytes=sample.size_bytes,
        modified_ns=sample.modified_ns,
    )


def _finished(label: Label, sample: Sample, blobs: Blobs) -> Finished:
    try:
        path = blobs.path(label.sha256)
    except NotFound as error:
        raise SettingsError(f"The file of label {label.id} is missing: {error}") from error
    return Finished(
        names=(sample.name,),
        content=path,
        suffix=label.format,
        file=path,
        origin=f"label {label.id}",
        place=f"label {label.id} of sample {sample.id}",
    )
