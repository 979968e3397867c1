"""Waiting for a job: server-sent events while they come, polling where they do not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager

from limner.client.answers import Event, Job
from limner.client.errors import ClientError, JobFailed, ServerUnreachable, WaitTimeout
from limner.client.parse import parse

Clock = Callable[[], float]
Listen = Callable[[], AbstractContextManager[Iterator[Event]]]


class JobWait:
    """Waits for one job and tells of its progress."""

    def __init__(
        self,
        look: Callable[[], Job],
        listen: Listen,
        *,
        poll_s: float = 1.0,
        patience_s: float = 30.0,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            look: Asks how the job stands.
            listen: Opens the job's events; they may end or break off at any time.
            poll_s: Seconds between two looks when events do not come.
            patience_s: For how long the server may be away, as it is while it restarts.
            clock: Seconds on a clock that never goes back.
            sleep: Waits.
        """
        self._look = look
        self._listen = listen
        self._poll_s = poll_s
        self._patience_s = patience_s
        self._clock = clock
        self._sleep = sleep

    def until_ended(
        self, on_change: Callable[[Job], None] | None = None, timeout_s: float | None = None
    ) -> Job:
        """Wait until the job has ended.

        Args:
            on_change: Told of the job whenever its state or progress has changed.
            timeout_s: Longest wait; None for as long as it takes.

        Raises:
            WaitTimeout: The job has not ended in time. It goes on.
            JobFailed: It failed or was cancelled.
            ServerUnreachable: The server was away for longer than `patience_s`.
        """
        deadline = None if timeout_s is None else self._clock() + timeout_s
        seen: Job | None = None
        for job in self._states():
            if on_change is not None and job != seen:
                on_change(job)
            seen = job
            if job.ended:
                return _checked(job)
            if deadline is not None and self._clock() >= deadline:
                raise WaitTimeout(
                    f"Job {job.id} ({job.kind}) was {job.state} after {timeout_s} s; it goes on.",
                    job=job,
                )
        raise AssertionError("a job's states go on until it has ended")

    def _states(self) -> Iterator[Job]:
        """Yield how the job stands, again and again, without end."""
        job = self._look()
        yield job
        while True:
            try:
                with self._listen() as events:
                    # What happened before the stream was open is not told by it.
                    job = self._look()
                    yield job
                    for event in events:
                        job = self._told(event, job)
                        yield job
            except ClientError:
                pass
            self._sleep(self._poll_s)
            job = self._look_patiently()
            yield job

    def _told(self, event: Event, job: Job) -> Job:
        """The job after an event; one that tells nothing of it is still a sign of life."""
        known = _job_of(event, job.id)
        if known is None:
            return job
        # An event may be cut short, and how a job ended is worth another look.
        return self._look() if known.ended else known

    def _look_patiently(self) -> Job:
        until = self._clock() + self._patience_s
        while True:
            try:
                return self._look()
            except ServerUnreachable:
                if self._clock() >= until:
                    raise
                self._sleep(self._poll_s)


def _job_of(event: Event, number: int) -> Job | None:
    """The job that an event tells of, where it tells the whole of it."""
    data = event.data
    if not isinstance(data, Mapping):
        return None
    inner = data.get("job", data)
    if not isinstance(inner, Mapping) or inner.get("id") != number:
        return None
    try:
        return parse(Job, inner)
    except ClientError:
        return None


def _checked(job: Job) -> Job:
    if job.state == "succeeded":
        return job
    words = f": {job.failure}" if job.failure else "."
    raise JobFailed(f"Job {job.id} ({job.kind}) {job.state}{words}", job=job)
