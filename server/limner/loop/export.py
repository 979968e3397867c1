"""Exports: a project's labels with their images as a data set, streamed as a zip.

Two layouts are written: nnU-Net's (version 2 of its `dataset.json`) and that of the Medical
Segmentation Decathlon. The zip is made while it is sent: memory holds one sample at a time.
"""

from __future__ import annotations

import io
import json
import logging
import os
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import BinaryIO

from limner.errors import Conflict, InvalidRequest, LimnerError
from limner.loop.export_layouts import LAYOUTS, Layout
from limner.loop.export_names import UniqueNames
from limner.loop.projects import Projects
from limner.records import labels as label_rows
from limner.records.database import Records
from limner.records.rows import Label, Project, Sample
from limner.stores.blobs import Blobs

log = logging.getLogger(__name__)

_CHUNK = 1 << 20
_BATCH = 200
# The oldest time a zip can say: the same labels give the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_CHANGED = "it changed while it was exported; leave its files out, or export again"


class Exports:
    """Writes data sets."""

    def __init__(self, records: Records, projects: Projects, blobs: Blobs) -> None:
        self._records = records
        self._projects = projects
        self._blobs = blobs

    def stream(self, project: str, format: str) -> Iterator[bytes]:
        """Return a zip of the newest submitted label of every sample, in pieces.

        Samples whose image cannot be read by now are left out and listed in `skipped.txt`, and so
        are those whose files change while they are sent: `dataset.json` does not count them.

        Args:
            project: Name of the project.
            format: `nnunet` or `msd`.

        Raises:
            InvalidRequest: No such format.
            NotFound: No such project.
            Conflict: There is no label yet, or the layout cannot hold such images.
        """
        if format not in LAYOUTS:
            raise InvalidRequest(f"format is {format[:50]!r}; take one of {', '.join(LAYOUTS)}.")
        row = self._projects.get(project)
        first = next(self._labelled(row), None)
        if first is None:
            raise Conflict(f"Project {project!r} has no submitted label to export yet.")
        schema = self._projects.schema(row)
        modality = self._projects.settings(row).modality
        layout = LAYOUTS[format](row.title or row.name, schema, modality, first[1])
        # Everything that can be refused is refused before the first byte is sent.
        return self._zipped(row, layout)

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

    def _zipped(self, project: Project, layout: Layout) -> Iterator[bytes]:
        sink = _Sink()
        names = UniqueNames()
        skipped: list[str] = []
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for label, sample in self._labelled(project):
                name = names.unique(sample.name, sample.id)
                source = self._projects.source(project, sample)
                with ExitStack() as opened:
                    try:
                        mask = self._blobs.path(label.sha256)
                        parts = layout.parts(name, source, mask, label.format)
                        # All are open before the first is written: no half a sample in the zip.
                        files = [(each.name, opened.enter_context(each.open())) for each in parts]
                    except (LimnerError, OSError) as error:
                        log.warning("export of %s skips sample %d", project.name, sample.id)
                        skipped.append(f"{sample.name}: {error}")
                        continue
                    before = [_signature(file) for _, file in files]
                    for path, file in files:
                        yield from _written(archive, sink, path, file)
                    if before != [_signature(file) for _, file in files]:
                        log.warning("export of %s: sample %d changed", project.name, sample.id)
                        skipped.append(f"{sample.name}: {_CHANGED}")
                        continue
                layout.add(name)
            text = json.dumps(layout.data_set(), indent=2, ensure_ascii=False) + "\n"
            yield from _written(archive, sink, "dataset.json", io.BytesIO(text.encode()))
            if skipped:
                text = "\n".join(skipped) + "\n"
                yield from _written(archive, sink, "skipped.txt", io.BytesIO(text.encode()))
        yield sink.taken()


class _Sink:
    """What a zip is written to: it cannot seek, and is emptied as it is sent."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Nothing is open here."""

    def taken(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


def _signature(file: BinaryIO) -> tuple[int, int] | None:
    """Return size and time of a file as they are now; None for what lies in memory."""
    if isinstance(file, io.BytesIO):
        return None
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _written(archive: zipfile.ZipFile, sink: _Sink, path: str, file: BinaryIO) -> Iterator[bytes]:
    info = zipfile.ZipInfo(path, date_time=_NO_TIME)
    info.external_attr = 0o644 << 16
    with archive.open(info, "w", force_zip64=True) as member:
        while chunk := file.read(_CHUNK):
            member.write(chunk)
            yield sink.taken()
