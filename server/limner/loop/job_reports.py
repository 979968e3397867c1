"""What is told of a job: to listeners as events, to the record as its progress."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from limner.errors import RecordsBusy, StorageFull
from limner.loop.events import Events
from limner.records import jobs as job_rows
from limner.records.database import Records
from limner.records.rows import Job

log = logging.getLogger(__name__)

EVENT_EVERY_S = 0.25
RECORD_EVERY_S = 2.0


class JobReporter:
    """Passes progress on: to listeners a few times a second, to the record more seldom."""

    def __init__(
        self, records: Records, events: Events, project: str, clock: Callable[[], float]
    ) -> None:
        self._records = records
        self._events = events
        self._project = project
        self._clock = clock
        self._told_at = float("-inf")
        self._recorded_at = float("-inf")

    def tell(self, job: Job, progress: dict[str, Any]) -> None:
        """Pass on how far a job has come."""
        now = self._clock()
        if abs(now - self._told_at) >= EVENT_EVERY_S:
            self._told_at = now
            self._events.publish(
                "job", self._project, job_data(replace(job, progress=progress)), job=job.id
            )
        if abs(now - self._recorded_at) >= RECORD_EVERY_S:
            self._recorded_at = now
            try:
                with self._records.write() as tx:
                    job_rows.change(tx, job.id, progress=progress)
            except (RecordsBusy, StorageFull) as error:
                log.warning("progress of job %d was not recorded: %s", job.id, error)


def job_data(job: Job) -> dict[str, Any]:
    """Return a job as an event carries it; its parameters are left out, which can be long."""
    data = asdict(job)
    del data["params"]
    return data
