"""Stores predictions behind the answers that carry them.

Whoever waits for an outline need not wait for the disk, too: a prediction that is lost with the
server, or finds no room, is made again when somebody asks.
"""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import dataclass

from limner.errors import LimnerError
from limner.loop.prediction_files import Made, PredictionFiles
from limner.records.rows import Sample

log = logging.getLogger(__name__)

MOST_WAITING = 64
"""So many may wait; then whoever brings another one stores it before going on."""

_TOGETHER = 16
_STOP_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    project_id: int
    model_id: int
    made: Made

    @property
    def key(self) -> tuple[int, int]:
        return self.model_id, self.made.sample.id


class PredictionKeeper:
    """One thread that stores what was predicted. Safe to use from any thread."""

    def __init__(self, files: PredictionFiles) -> None:
        """Wire; the thread starts with the first prediction."""
        self._files = files
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._held: dict[tuple[int, int], Made] = {}
        self._thread: threading.Thread | None = None

    def keep(self, project_id: int, model_id: int, made: Made) -> None:
        """Have a prediction stored soon."""
        waiting = _Waiting(project_id, model_id, made)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="predictions", daemon=True)
                self._thread.start()
            self._held[waiting.key] = made
        try:
            self._waiting.put_nowait(waiting)
        except queue.Full:
            self._store([waiting])

    def find(self, model_id: int, sample: Sample) -> Made | None:
        """Return what waits to be stored, when it was made from the image as it is."""
        with self._lock:
            made = self._held.get((model_id, sample.id))
        if made is None or made.sample.modified_ns != sample.modified_ns:
            return None
        return made

    def stop(self) -> None:
        """Store what waits, and end the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join(_STOP_WITHIN_S)

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            together = [first]
            is_last = False
            while len(together) < _TOGETHER and not is_last:
                try:
                    more = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    is_last = True
                else:
                    together.append(more)
            for place in dict.fromkeys((each.project_id, each.model_id) for each in together):
                self._store([e for e in together if (e.project_id, e.model_id) == place])
            if is_last:
                return

    def _store(self, waiting: list[_Waiting]) -> None:
        first = waiting[0]
        try:
            made = {each.key: each.made for each in waiting}  # of one sample, the newest
            self._files.store(first.project_id, first.model_id, list(made.values()))
        except LimnerError as error:
            log.warning("%d predictions are not kept: %s", len(waiting), error)
        except Exception:
            log.exception("%d predictions are not kept", len(waiting))  # the thread must live on
        finally:
            with self._lock:
                for each in waiting:
                    if self._held.get(each.key) is each.made:
                        del self._held[each.key]
