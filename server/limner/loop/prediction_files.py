"""Predictions on disk: content-addressed files beside rows that name them.

They have a folder of their own, apart from labels and weights: they are let go by the thousand, and
a label may well have the very bytes of the prediction that it accepted.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from limner.errors import NotFound
from limner.images import Header, encode_answer, label_suffixes
from limner.plugin import Answer, Description, LabelSchema, Task
from limner.records import descriptions as description_rows
from limner.records import models as model_rows
from limner.records import predictions as prediction_rows
from limner.records.database import Records
from limner.records.rows import Sample, StoredPrediction
from limner.stores.blobs import Blobs

log = logging.getLogger(__name__)

_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a version said of one sample, ready to be stored."""

    sample: Sample
    file: bytes
    """The answer in the best format of its task."""
    suffix: str
    """That format."""
    description: Description | None = None


def encoded(answer: Answer, header: Header, schema: LabelSchema, task: Task) -> tuple[bytes, str]:
    """Return an answer as it is stored, with its suffix.

    Raises:
        ImageError: The answer does not fit its image.
    """
    suffix = label_suffixes(task, header.kind)[0]
    return encode_answer(answer, header, schema, suffix), suffix


class PredictionFiles:
    """Stores predictions and lets them go. Safe to use from any thread."""

    def __init__(self, records: Records, blobs: Blobs, clock: Callable[[], float]) -> None:
        """Wire.

        Args:
            records: The database.
            blobs: A folder for predictions alone.
            clock: Seconds since 1970.
        """
        self._records = records
        self._blobs = blobs
        self._clock = clock
        self._lock = threading.Lock()
        self._being_stored: Counter[str] = Counter()

    def find(self, model_id: int, sample: Sample) -> tuple[StoredPrediction, Path] | None:
        """Return a version's stored prediction and its file, when made from the image as it is."""
        with self._records.read() as tx:
            stored = prediction_rows.find(tx, model_id, sample.id)
        if stored is None or stored.modified_ns != sample.modified_ns:
            return None
        try:
            return stored, self._blobs.path(stored.sha256)
        except NotFound:
            log.warning("prediction file %s is missing; made again", stored.sha256)
            return None

    def store(
        self, project_id: int, model_id: int, made: Sequence[Made], *, asked: str = ""
    ) -> None:
        """Store predictions with their descriptions: files first, then all rows at once.

        `asked` names the parts of images that the descriptions were asked for; empty for none.
        """
        now = self._clock()
        with self._claim(hashlib.sha256(each.file).hexdigest() for each in made):
            rows = []
            for each in made:
                blob = self._blobs.put_bytes(each.file)
                rows.append(
                    StoredPrediction(
                        model_id=model_id,
                        sample_id=each.sample.id,
                        project_id=project_id,
                        sha256=blob.sha256,
                        size_bytes=blob.size_bytes,
                        format=each.suffix,
                        modified_ns=each.sample.modified_ns,
                        created_at=now,
                    )
                )
            described = [(m.sample.id, m.description) for m in made if m.description is not None]
            with self._records.write() as tx:
                for each in made:
                    before = prediction_rows.find(tx, model_id, each.sample.id)
                    if before is not None and before.modified_ns != each.sample.modified_ns:
                        # What was said of the image as it was does not hold any more.
                        description_rows.forget_one(tx, model_id, each.sample.id)
                unnamed = prediction_rows.put(tx, rows)
                description_rows.put(tx, project_id, model_id, described, at=now, asked=asked)
        self._remove(unnamed)

    def forget_others(self, project_id: int, model_id: int, go_on: Callable[[], bool]) -> int:
        """Let go of what other versions said, a little at a time; return how many predictions.

        Args:
            project_id: Whose predictions.
            model_id: The version whose word stays.
            go_on: Asked between the pieces; False ends it early.
        """
        with self._records.read() as tx:
            others = model_rows.other_ids(tx, project_id, model_id)
        total = 0
        for other in others:
            while go_on():
                with self._records.write() as tx:
                    deleted, unnamed = prediction_rows.forget(tx, other, limit=_CHUNK)
                    described = description_rows.forget(tx, other, limit=_CHUNK)
                self._remove(unnamed)
                total += deleted
                if deleted < _CHUNK and described < _CHUNK:
                    break
        return total

    def _remove(self, shas: Sequence[str]) -> None:
        """Delete files that no row names, unless one is just being stored again."""
        if not shas:
            return
        with self._lock:
            with self._records.read() as tx:
                still = prediction_rows.unnamed(tx, shas)
            for sha256 in still:
                if not self._being_stored[sha256]:
                    self._blobs.remove(sha256)

    @contextmanager
    def _claim(self, shas: Iterable[str]) -> Iterator[None]:
        claimed = list(shas)
        with self._lock:
            self._being_stored.update(claimed)
        try:
            yield
        finally:
            with self._lock:
                self._being_stored.subtract(claimed)
                self._being_stored += Counter()  # drops the zeros
