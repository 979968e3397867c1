"""Exports: a project's labels with their images as a data set, streamed as a zip.

Layouts belong to tasks: nnU-Net's (version 2 of its `dataset.json`) and that of the Medical
Segmentation Decathlon hold masks; COCO's, and instance maps, hold instances; a table, and a folder
for each class, hold classes. The zip is made while it is sent: memory holds one sample at a time.
"""

from __future__ import annotations

import io
import logging
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from functools import partial
from itertools import islice
from typing import BinaryIO

from limner.errors import Conflict, InvalidRequest, LimnerError
from limner.loop.export_classes import Folders, Table
from limner.loop.export_instances import Coco, Maps
from limner.loop.export_layout import DataSet, Layout
from limner.loop.export_masks import Decathlon, NnUnet
from limner.loop.export_names import UniqueNames
from limner.loop.export_pairs import Pairs
from limner.loop.projects import Projects
from limner.loop.regions import of_label
from limner.plugin import Task
from limner.records import labels as label_rows
from limner.records.database import Records
from limner.records.rows import Label, Project, Sample
from limner.stores.blobs import Blobs

log = logging.getLogger(__name__)

LAYOUTS: Mapping[Task, Mapping[str, Callable[[DataSet], Layout]]] = {
    Task.SEGMENTATION: {"nnunet": NnUnet, "msd": Decathlon},
    Task.INSTANCES: {"coco": Coco, "maps": Maps},
    Task.CLASSIFICATION: {"csv": Table, "folders": Folders},
}
"""By task and by the name that a request gives, the usual one first."""

_CHUNK = 1 << 20
_BATCH = 200
# The oldest time a zip can say: the same labels give the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_CHANGED = "it changed while it was exported; leave its files out, or export again"


def export_formats(task: Task) -> tuple[str, ...]:
    """Return the names of the layouts that can hold a task's labels, the usual one first."""
    return tuple(LAYOUTS[task])


class Exports:
    """Writes data sets."""

    def __init__(self, records: Records, projects: Projects, blobs: Blobs) -> None:
        self._records = records
        self._projects = projects
        self._blobs = blobs

    def stream(self, project: str, format: str | None = None) -> Iterator[bytes]:
        """Return a zip of the newest submitted label of every sample, in pieces.

        Samples whose image cannot be read by now, or whose label the layout cannot tell, are left
        out and listed in `skipped.txt`, and so are those whose files change while they are sent:
        what describes the data set does not count them.

        Args:
            project: Name of the project.
            format: One of `export_formats` of the project's task; None for the first of them.

        Raises:
            InvalidRequest: No such format, or one for another task.
            NotFound: No such project.
            Conflict: There is no label yet, or the layout cannot hold such images or classes.
        """
        row = self._projects.get(project)
        make = _layout(format, self._projects.task(row))
        first = next(self._labelled(row), None)
        if first is None:
            raise Conflict(f"Project {project!r} has no submitted label to export yet.")
        data_set = DataSet(
            title=row.title or row.name,
            schema=self._projects.schema(row),
            modality=self._projects.settings(row).modality,
            first=first[1],
        )
        # Everything that can be refused is refused before the first byte is sent.
        return self._zipped(row, make(data_set))

    def pairs(self, project: str, most: int | None = None) -> Iterator[bytes]:
        """Return a zip of images and labels as they are, in pieces; see `Pairs`.

        Args:
            project: Name of the project.
            most: How many samples at most; None for all.

        Raises:
            NotFound: No such project.
            Conflict: There is no label yet.
        """
        row = self._projects.get(project)
        if next(self._labelled(row), None) is None:
            raise Conflict(f"Project {project!r} has no submitted label to export yet.")
        return self._zipped(row, Pairs(row.title or row.name, self._projects.schema(row)), most)

    def _labelled(self, project: Project) -> Iterator[tuple[Label, Sample]]:
        after = 0
        while True:
            # A page is a read of its own: one long read would keep the log from being emptied.
            with self._records.read() as tx:
                found = label_rows.current(tx, project.id, after=after, limit=_BATCH)
            if not found:
                return
            yield from found
            after = found[-1][0].id

    def _zipped(self, project: Project, layout: Layout, most: int | None = None) -> Iterator[bytes]:
        sink = _Sink()
        names = UniqueNames()
        skipped: list[str] = []
        with (
            closing(layout),
            zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED, allowZip64=True) as archive,
        ):
            for label, sample in islice(self._labelled(project), most):
                name = names.unique(sample.name, sample.id)
                source = self._projects.source(project, sample)
                with ExitStack() as opened:
                    try:
                        stored = self._blobs.path(label.sha256)
                        regions = of_label(label)
                        parts = (
                            layout.parts(name, source, stored, label.format)
                            if regions is None
                            else layout.partial(name, source, stored, label.format, regions)
                        )
                        # All are open before the first is written: no half a sample in the zip.
                        files = [(each.name, opened.enter_context(each.open())) for each in parts]
                    except (LimnerError, OSError) as error:
                        log.warning("export of %s skips sample %d", project.name, sample.id)
                        skipped.append(f"{sample.name}: {error}")
                        continue
                    before = [_signature(file) for _, file in files]
                    for path, file in files:
                        yield from _written(
                            archive, sink, path, iter(partial(file.read, _CHUNK), b"")
                        )
                    if before != [_signature(file) for _, file in files]:
                        log.warning("export of %s: sample %d changed", project.name, sample.id)
                        skipped.append(f"{sample.name}: {_CHANGED}")
                        continue
                layout.add(name)
            for path, pieces in layout.closing():
                yield from _written(archive, sink, path, pieces)
            if skipped:
                text = "\n".join(skipped) + "\n"
                yield from _written(archive, sink, "skipped.txt", [text.encode()])
        yield sink.taken()


def _layout(format: str | None, task: Task) -> Callable[[DataSet], Layout]:
    formats = LAYOUTS[task]
    if format is None:
        return next(iter(formats.values()))
    if format in formats:
        return formats[format]
    task_of = {name: each for each, names in LAYOUTS.items() for name in names}
    told = f", which holds labels of {task_of[format].value}" if format in task_of else ""
    raise InvalidRequest(
        f"format is {format[:50]!r}{told}; this project is for {task.value}, so take one of "
        f"{', '.join(formats)}."
    )


class _Sink:
    """What a zip is written to: it cannot seek, and is emptied as it is sent."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Nothing is open here."""

    def taken(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        self.size = 0
        return data


def _signature(file: BinaryIO) -> tuple[int, int] | None:
    """Return size and time of a file as they are now; None for what lies in memory."""
    if isinstance(file, io.BytesIO):
        return None
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _written(
    archive: zipfile.ZipFile, sink: _Sink, path: str, pieces: Iterable[bytes]
) -> Iterator[bytes]:
    info = zipfile.ZipInfo(path, date_time=_NO_TIME)
    info.external_attr = 0o644 << 16
    with archive.open(info, "w", force_zip64=True) as member:
        for piece in pieces:
            member.write(piece)
            if sink.size >= _CHUNK:
                yield sink.taken()
    yield sink.taken()
