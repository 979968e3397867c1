"""Jobs as these clients see them: a task with a status, its request and its last lines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from limner.errors import NotFound
from limner.http.context import parts, service
from limner.http.monai_label.routes import Here
from limner.records import jobs as job_rows
from limner.records.rows import Job, JobKind, JobState

_STATUS = {
    JobState.QUEUED.value: "SUBMITTED",
    JobState.RUNNING.value: "RUNNING",
    JobState.SUCCEEDED.value: "DONE",
    JobState.FAILED.value: "ERROR",
    JobState.CANCELLED.value: "STOPPED",
}
_OVER = frozenset({"DONE", "ERROR", "STOPPED"})
_KINDS = {
    JobKind.TRAIN: "Train",
    JobKind.SCORE: "Scoring",
    JobKind.PREDICT: "Batch_infer",
}
MOST_LISTED = 100
SYNC_S = 3600.0
"""How long a request that waits for its task waits at most."""


def task(job: Job) -> dict[str, Any]:
    """Write a job as a task."""
    status = "STOPPED" if job.cancel_requested else _STATUS[job.state]
    shown: dict[str, Any] = {
        "id": str(job.id),
        "status": status,
        "request": {name: each for name, each in job.params.items() if name != "samples"},
        "start_ts": _local(job.started_at or job.created_at),
    }
    if status != "SUBMITTED":
        # Clients show the last line, and fail where there is none.
        shown["details"] = _details(job)
    if status in _OVER:
        shown["end_ts"] = _local(job.finished_at or time.time())
    return shown


def newest(here: Here, kind: JobKind, *, running_only: bool = False) -> Job:
    """Return the job of this kind that was asked for last.

    Args:
        here: Whose.
        kind: Which kind.
        running_only: Only one that runs right now counts.

    Raises:
        NotFound: There is none.
    """
    if running_only:
        for each in service().jobs.unfinished(here.project.id):
            if each.kind == kind and each.state == JobState.RUNNING and not each.cancel_requested:
                return each
        raise NotFound(f"No {_KINDS[kind]} Tasks are currently Running")
    with service().records.read() as tx:
        job = job_rows.newest(tx, here.project.id, kind)
    if job is None:
        raise NotFound(f"No {_KINDS[kind]} Tasks Found")
    return service().jobs.get(job.id)


def every(here: Here, kind: JobKind) -> list[dict[str, Any]]:
    """List the newest jobs of this kind as tasks, oldest first.

    Raises:
        NotFound: There is none.
    """
    page = service().jobs.list(here.name, None, MOST_LISTED)
    found = [task(each) for each in page.items if each.kind == kind]
    if not found:
        raise NotFound(f"No {_KINDS[kind]} Tasks Found")
    return found[::-1]


def unfinished(here: Here, kind: JobKind) -> Sequence[Job]:
    """Return the jobs of this kind that wait or run."""
    return [
        each
        for each in service().jobs.unfinished(here.project.id)
        if each.kind == kind and not each.cancel_requested
    ]


def stop(here: Here, kind: JobKind, actor: str) -> dict[str, Any] | None:
    """Cancel what waits or runs of this kind; return the last one as a task, None where idle."""
    stopped = [service().jobs.cancel(each.id, actor) for each in unfinished(here, kind)]
    return task(stopped[-1]) if stopped else None


def waited_for(job: Job) -> Job:
    """Wait until a job has ended, for an hour at most; return it as it stands then.

    A request that waits holds a thread, as a stream does, and is counted as one.

    Raises:
        ServiceUnavailable: Too many wait already.
    """
    with parts().streams.held(), service().events.subscribe(job=job.id) as news:
        deadline = time.monotonic() + SYNC_S
        current = service().jobs.get(job.id)
        while _STATUS[current.state] not in _OVER and time.monotonic() < deadline:
            if parts().streams.stopping:
                break
            news.get(timeout_s=1.0)
            current = service().jobs.get(job.id)
        return current


def spent(job: Job) -> str:
    """Write how long a job has run, or ran, as `H:MM:SS`."""
    began = job.started_at or job.created_at
    ended = job.finished_at or time.time()
    return str(timedelta(seconds=int(max(0.0, ended - began))))


def _details(job: Job) -> list[str]:
    progress = job.progress
    step, total = progress.get("step"), progress.get("total")
    lines = [progress.get("message") or "working"]
    if total:
        lines.append(f"step {step} of {total}")
    lines += [f"{name}: {value:.4g}" for name, value in (progress.get("losses") or {}).items()]
    if job.error:
        lines.append(str(job.error.get("detail", "failed")))
    if job.state == JobState.SUCCEEDED:
        lines.append(str(job.result.get("outcome") or "done"))
    return lines[-20:]


def _local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
