"""Jobs: heavy work as rows, run one at a time by a thread that never dies.

A job's state moves along these edges only:

    queued → running → succeeded | failed | cancelled
    queued → cancelled
    running → queued      the server stopped or a more urgent job took its place
    queued → failed       the server ended three times while it ran
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from sqlalchemy import Connection

from limner.errors import Conflict, LimnerError, NotFound
from limner.loop.events import Events
from limner.loop.job_reports import JobReporter, job_data
from limner.loop.job_run import JobRun, failure
from limner.loop.page import Page, checked_limit, number_cursor, page_of
from limner.loop.plain import plain
from limner.plugin import Json, Stopped
from limner.records import audit
from limner.records import jobs as job_rows
from limner.records import projects as project_rows
from limner.records.database import Records
from limner.records.rows import Job, JobKind, JobState

log = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[JobRun], Mapping[str, Json]]
"""Does a job's work and returns its result; raises `Stopped` when its run says so."""

PRIORITIES = {
    JobKind.TRAIN: 30,
    JobKind.SCORE: 20,
    JobKind.PREDICT: 10,
    JobKind.REVIEW: 5,
    JobKind.TRIAL: 3,
}
YIELDING = frozenset({JobKind.SCORE, JobKind.PREDICT, JobKind.REVIEW, JobKind.TRIAL})
"""Kinds that make room for a more urgent job; what they have done stays done."""
MOST_ATTEMPTS = 3
IDLE_S = 60.0
RETRY_S = 1.0


class Jobs:
    """Every job of the server. Safe to use from any thread, but never inside a write."""

    def __init__(self, records: Records, events: Events, clock: Callable[[], float]) -> None:
        """Wire; nothing runs before `start`."""
        self._records = records
        self._events = events
        self._clock = clock
        self._handlers: Mapping[JobKind, Handler] = {}
        self._lock = threading.Lock()
        self._current: JobRun | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, handlers: Mapping[JobKind, Handler]) -> None:
        """Queue again what a crash left running, and run what waits."""
        self._handlers = dict(handlers)
        self._stopping.clear()
        with self._records.write() as tx:
            left = [
                job_rows.change(tx, each.id, state=JobState.QUEUED.value)
                for each in job_rows.left_running(tx)
            ]
        for job in left:
            log.warning("job %d (%s) was running when the server ended; queued", job.id, job.kind)
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 20.0) -> None:
        """End the running job, which goes back to queued, and the thread."""
        self._stopping.set()
        with self._lock:
            if self._current is not None:
                self._current.halt()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                log.warning("the running job did not end in %.0f s; it is left", timeout_s)
            self._thread = None

    def ensure(
        self,
        project_id: int,
        kind: JobKind,
        params: Mapping[str, Json] | None = None,
        priority: int | None = None,
    ) -> Job:
        """Return the waiting job of this kind, or queue one: jobs are not piled up.

        Args:
            project_id: Whose work.
            kind: What work.
            params: What the handler is to know; joined with those of a job that waits already.
            priority: Larger goes first; by kind when None.
        """
        with self._lock:
            with self._records.write() as tx:
                job = job_rows.waiting(tx, project_id, kind)
                if job is None:
                    job = job_rows.add(
                        tx,
                        project_id=project_id,
                        kind=kind,
                        priority=PRIORITIES[kind] if priority is None else priority,
                        params=params or {},
                        at=self._clock(),
                    )
                    is_new = True
                else:
                    joined = _joined(job.params, params or {})
                    is_new = joined != job.params
                    if is_new:
                        job = job_rows.change(tx, job.id, params=joined)
                name = _project_name(tx, project_id)
            run = self._current
            if run is not None and run.job.kind in YIELDING and job.priority > run.job.priority:
                run.make_room()
        if is_new:
            self._publish(name, job)
        self._wake.set()
        return self._fresh(job)

    def get(self, job_id: int) -> Job:
        """Return a job as it stands.

        Raises:
            NotFound: There is none of that id.
        """
        with self._records.read() as tx:
            job = job_rows.find(tx, job_id)
        if job is None:
            raise NotFound(f"There is no job {job_id}.")
        return self._fresh(job)

    def list(self, project: str, cursor: str | None, limit: int) -> Page[Job]:
        """List a project's jobs, newest first.

        Raises:
            NotFound: There is no such project.
            InvalidRequest: The cursor is none of ours.
        """
        before, limit = number_cursor(cursor), checked_limit(limit)
        with self._records.read() as tx:
            found = _project_id(tx, project)
            rows = job_rows.page(tx, found, before=before, limit=limit + 1)
        return page_of([self._fresh(each) for each in rows], limit, lambda job: job.id)

    def unfinished(self, project_id: int) -> tuple[Job, ...]:
        """Return a project's jobs that wait or run, oldest first."""
        with self._records.read() as tx:
            rows = job_rows.unfinished(tx, project_id=project_id)
        return tuple(self._fresh(each) for each in rows)

    def cancel(self, job_id: int, actor: str) -> Job:
        """End a job for good. A waiting one ends now, a running one within seconds.

        Raises:
            NotFound: There is none of that id.
            Conflict: It has succeeded or failed already.
        """
        with self._lock:
            with self._records.write() as tx:
                job = job_rows.find(tx, job_id)
                if job is None:
                    raise NotFound(f"There is no job {job_id}.")
                if job.state == JobState.CANCELLED or job.cancel_requested:
                    return job
                if job.state not in job_rows.OPEN:
                    raise Conflict(f"Job {job_id} has {job.state} already; it cannot be cancelled.")
                values: dict[str, Any] = {"cancel_requested": True}
                if job.state == JobState.QUEUED:
                    values |= {"state": JobState.CANCELLED.value, "finished_at": self._clock()}
                job = job_rows.change(tx, job_id, **values)
                audit.write(
                    tx,
                    at=self._clock(),
                    project_id=job.project_id,
                    actor=actor,
                    action="job.cancelled",
                    subject=f"job:{job_id}",
                    details={"kind": job.kind},
                )
                name = _project_name(tx, job.project_id)
            if self._current is not None and self._current.job.id == job_id:
                self._current.cancel()
        self._publish(name, job)
        return self._fresh(job)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                claimed = self._claim()
            except Exception:
                log.exception("the next job could not be taken up; trying again")
                self._stopping.wait(RETRY_S)
                continue
            if claimed is None:
                self._wake.wait(IDLE_S)
                self._wake.clear()
            else:
                self._execute(*claimed)

    def _claim(self) -> tuple[JobRun, str] | None:
        """Set the next job running; end those that cannot run on the way."""
        while True:
            with self._lock:
                with self._records.write() as tx:
                    job = job_rows.next_in_line(tx)
                    if job is None:
                        return None
                    name = _project_name(tx, job.project_id)
                    job = job_rows.change(tx, job.id, **self._taken_up(job, name))
                if name is not None and job.state == JobState.RUNNING:
                    self._current = self._run(job, name)
                    run = self._current
                else:
                    run = None
            self._publish(name, job)
            if run is not None and name is not None:
                return run, name

    def _run(self, job: Job, project: str) -> JobRun:
        reporter = JobReporter(self._records, self._events, project, self._clock)
        return JobRun(job, lambda progress: reporter.tell(job, progress), self._clock)

    def _taken_up(self, job: Job, project: str | None) -> dict[str, Any]:
        now = self._clock()
        if project is None or job.cancel_requested:
            return {"state": JobState.CANCELLED.value, "finished_at": now}
        if job.attempts >= MOST_ATTEMPTS:
            detail = (
                f"The server ended {job.attempts} times while this job ran, so it is not tried "
                "again. Its log says more; ask for the job anew when the cause is gone."
            )
            error = {"type": "GivenUp", "detail": detail}
            return {"state": JobState.FAILED.value, "finished_at": now, "error": error}
        return {
            "state": JobState.RUNNING.value,
            "attempts": job.attempts + 1,
            "started_at": now if job.started_at is None else job.started_at,
        }

    def _execute(self, run: JobRun, project: str) -> None:
        values = self._outcome(run)
        values["progress"] = run.latest
        while True:
            try:
                with self._lock:
                    with self._records.write() as tx:
                        job = job_rows.change(tx, run.job.id, **values)
                        if job.state == JobState.QUEUED:
                            job = self._end_twin(tx, job)
                    self._current = None
                break
            except Exception:
                log.exception("the end of job %d could not be recorded; trying again", run.job.id)
                if self._stopping.wait(RETRY_S):
                    self._current = None
                    return  # found running at the next start, and queued then
        log.info("job %d (%s) of %s: %s", job.id, job.kind, project, job.state)
        self._publish(project, job)

    def _outcome(self, run: JobRun) -> dict[str, Any]:
        """Run the handler and say, as columns, how the job stands then."""
        try:
            handler = self._handlers.get(JobKind(run.job.kind))
            if handler is None:
                raise NotFound(f"Nothing in this server does jobs of kind {run.job.kind!r}.")
            result = plain(handler(run))
            values: dict[str, Any] = {"state": JobState.SUCCEEDED.value, "result": result}
        except Exception as error:  # noqa: BLE001 - whatever a handler meets, the runner lives on
            values = self._ended_early(run, error)
        if values["state"] != JobState.QUEUED.value:
            values["finished_at"] = self._clock()
        return values

    def _ended_early(self, run: JobRun, error: Exception) -> dict[str, Any]:
        stopped = isinstance(error, Stopped)
        # While the server stops, workers are ended under a handler: that is no failure of the job.
        if run.is_interrupted and (stopped or (run.is_halted and isinstance(error, LimnerError))):
            return {"state": JobState.QUEUED.value, "attempts": run.job.attempts - 1}
        if stopped and run.is_cancelled:
            return {"state": JobState.CANCELLED.value}
        if isinstance(error, LimnerError):
            # The words may hold a file's name, and that a patient's: they stay in the record.
            log.warning("job %d (%s) failed: %s", run.job.id, run.job.kind, type(error).__name__)
            return {"state": JobState.FAILED.value, "error": failure(error)}
        log.error("job %d (%s) failed unexpectedly", run.job.id, run.job.kind, exc_info=error)
        detail = (
            f"Something unexpected went wrong ({type(error).__name__}: {error}). The server's log "
            "has the details."
        )
        return {
            "state": JobState.FAILED.value,
            "error": {"type": type(error).__name__, "detail": detail},
        }

    def _end_twin(self, tx: Connection, job: Job) -> Job:
        """End another waiting scoring: the one that comes back does its work as well."""
        if job.kind != JobKind.SCORE:
            return job
        for other in job_rows.unfinished(tx, project_id=job.project_id, kind=JobKind.SCORE):
            if other.id != job.id and other.state == JobState.QUEUED:
                error = {
                    "type": "Superseded",
                    "detail": f"Job {job.id} waits for its turn again and does its work as well.",
                }
                values = {"state": JobState.CANCELLED.value, "finished_at": self._clock()}
                job_rows.change(tx, other.id, error=error, **values)
                # It was asked for later, so what it was told counts.
                job = job_rows.change(tx, job.id, params=_joined(job.params, other.params))
        return job

    def _fresh(self, job: Job) -> Job:
        """Put in what the running job said last, which the row may not have yet.

        Parameters that begin with an underscore are the handler's own notes and stay out.
        """
        shown = {name: value for name, value in job.params.items() if not name.startswith("_")}
        job = replace(job, params=shown)
        run = self._current
        if run is not None and run.job.id == job.id and job.state == JobState.RUNNING:
            return replace(job, progress=run.latest)
        return job

    def _publish(self, project: str | None, job: Job) -> None:
        if project is not None:
            self._events.publish("job", project, job_data(job), job=job.id)


def _joined(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Join the wishes of two requests for one job: lists are united, the later one wins else."""
    joined = dict(old)
    for name, value in new.items():
        before = joined.get(name)
        if isinstance(before, list) and isinstance(value, list | tuple):
            joined[name] = list(dict.fromkeys([*before, *value]))
        else:
            joined[name] = plain(value)
    return joined


def _project_name(tx: Connection, project_id: int) -> str | None:
    """Return the name of a project, None where it is deleted."""
    project = project_rows.find(tx, project_id)
    return None if project is None else project.name


def _project_id(tx: Connection, name: str) -> int:
    project = project_rows.by_name(tx, name)
    if project is None:
        raise NotFound(f"There is no project {name!r}.")
    return project.id
