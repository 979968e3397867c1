"""Corrections: how far a label leaves the prediction as it was that its annotator was offered.

Whoever hands in a label need not wait for that: it is computed behind the answer. What is left to
do is in the records, so that a restart loses nothing; what cannot be known is put down as such.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from limner.errors import LimnerError
from limner.images import decode_answer, read_label
from limner.loop.agreement import agreement
from limner.loop.models import Models
from limner.loop.prediction_files import PredictionFiles
from limner.loop.prediction_keeper import PredictionKeeper
from limner.loop.projects import Projects
from limner.records import corrections as correction_rows
from limner.records import models as model_rows
from limner.records.database import Records
from limner.records.rows import Label, Sample
from limner.stores.blobs import Blobs

log = logging.getLogger(__name__)

STORED_WITHIN_S = 5.0
"""A prediction is stored behind the answer that carries it, so it may be that much younger than a
label that was drawn on it; an even younger one was not seen by the annotator."""

_TOGETHER = 16
_STOP_WITHIN_S = 5.0


class Corrections:
    """One thread that compares labels with what was offered. Safe to use from any thread."""

    def __init__(
        self,
        records: Records,
        projects: Projects,
        models: Models,
        blobs: Blobs,
        files: PredictionFiles,
        keeper: PredictionKeeper,
    ) -> None:
        """Wire; nothing runs before `start`."""
        self._records = records
        self._projects = projects
        self._models = models
        self._blobs = blobs
        self._files = files
        self._keeper = keeper
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Compare what an earlier run left, and from now on what `wake` tells of."""
        self._stopping.clear()
        self._wake.set()
        self._thread = threading.Thread(target=self._run, name="corrections", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what is left is done after the next start."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_STOP_WITHIN_S)
            self._thread = None

    def wake(self) -> None:
        """Have the labels compared soon that were recorded until now."""
        self._wake.set()

    def fill(self, go_on: Callable[[], bool] = lambda: True) -> None:
        """Compare every label that waits for it.

        Args:
            go_on: Asked before each; False ends it early.
        """
        after = 0
        with self._lock:
            while go_on():
                with self._records.read() as tx:
                    found = correction_rows.waiting(tx, after=after, limit=_TOGETHER)
                if not found:
                    return
                known: dict[int, float | None] = {}
                for label, sample in found:
                    if not go_on():
                        break
                    after = label.id
                    if not self._is_being_stored(label, sample):
                        known[label.id] = self._compared(label, sample)
                if known:
                    with self._records.write() as tx:
                        correction_rows.put(tx, known)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            try:
                self.fill(lambda: not self._stopping.is_set())
            except Exception:
                log.exception("labels could not be compared; tried again with the next one")

    def _is_being_stored(self, label: Label, sample: Sample) -> bool:
        """Tell whether what was offered is still on its way to the disk: the label waits for it."""
        with self._records.read() as tx:
            version = model_rows.by_number(tx, label.project_id, label.compared_with or 0)
        return version is not None and self._keeper.find(version.id, sample) is not None

    def _compared(self, label: Label, sample: Sample) -> float | None:
        """Return how alike a label and what was offered are; None where that is not known."""
        try:
            return self._agreement(label, sample)
        except LimnerError as error:
            log.warning("label %d is not compared: %s", label.id, type(error).__name__)
        except Exception:
            log.exception("label %d is not compared", label.id)  # else it would be tried for ever
        return None

    def _agreement(self, label: Label, sample: Sample) -> float | None:
        with self._records.read() as tx:
            project = self._projects.numbered(tx, label.project_id)
            version = model_rows.by_number(tx, project.id, label.compared_with or 0)
        found = None if version is None else self._files.find(version.id, sample)
        if version is None or found is None:
            return None  # never drawn, or let go already
        stored, path = found
        if stored.created_at > label.created_at + STORED_WITHIN_S:
            return None
        task, source = self._projects.task(project), self._projects.source(project, sample)
        header, limits = source.header(), source.limits
        offered_schema, schema = (
            self._models.schema(project, version),
            self._projects.schema(project),
        )
        offered = decode_answer(path, stored.format, header, offered_schema, task, limits)
        file = self._blobs.path(label.sha256)
        given = read_label(file, label.format, header, schema, task, limits)
        return agreement(given, offered, schema, offered_schema).value
