"""News of what happens, for whoever listens: server-sent events, metrics, tests.

News is told once and not kept: the records are the truth, an event only says where to look. A
listener that reads too slowly loses the oldest news, never the newest, and holds nobody up.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["job", "label", "sample", "model", "queue", "project"]

_KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One piece of news."""

    id: int
    """Rises by one with each event of this server's life; a gap tells a listener what it lost."""
    kind: str
    """What it is about: job, label, sample, model, queue or project."""
    project: str
    """Name of the project."""
    job: int | None = None
    """Id of the job, where it is about one."""
    data: Mapping[str, Any] = field(default_factory=dict)
    at: float
    """Seconds since 1970-01-01 UTC."""


class Subscription:
    """What one listener has not read yet. A context manager: leaving it ends it."""

    def __init__(self, events: Events, project: str | None, job: int | None) -> None:
        """Use `Events.subscribe`."""
        self._events = events
        self._project = project
        self._job = job
        self._unread: deque[Event] = deque(maxlen=_KEPT)
        self._changed = threading.Condition()
        self._is_open = True

    @property
    def is_open(self) -> bool:
        """Whether more may come."""
        return self._is_open

    def get(self, timeout_s: float) -> Event | None:
        """Return the next event, waiting for it; None when none came or all is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._unread or not self._is_open, timeout_s)
            return self._unread.popleft() if self._unread else None

    def close(self) -> None:
        """End it; a waiting `get` returns at once."""
        self._events.unsubscribe(self)
        self.end()

    def end(self) -> None:
        """Say that nothing more comes; what is unread can still be read."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()

    def offer(self, event: Event) -> None:
        """Take an event in, if it is one that was asked for."""
        if self._project is not None and event.project != self._project:
            return
        if self._job is not None and event.job != self._job:
            return
        with self._changed:
            self._unread.append(event)
            self._changed.notify()

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Events:
    """Tells every listener. Safe from any thread.

    Example:
        >>> events = Events()
        >>> with events.subscribe(project="hippocampus") as news:
        ...     events.publish("label", "hippocampus", {"id": 7})
        ...     news.get(timeout_s=1).data
        {'id': 7}
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: list[Subscription] = []
        self._ids = itertools.count(1)
        self._is_open = True

    def publish(
        self, kind: Kind, project: str, data: Mapping[str, Any], job: int | None = None
    ) -> None:
        """Tell everybody who asked for it; never waits and never fails."""
        with self._lock:
            event = Event(
                id=next(self._ids), kind=kind, project=project, job=job, data=data, at=time.time()
            )
            listening = list(self._subscriptions)
            # Under the lock, so that every listener sees events in the order of their ids.
            for each in listening:
                each.offer(event)

    def subscribe(self, project: str | None = None, job: int | None = None) -> Subscription:
        """Listen to everything, to one project or to one job, from now on."""
        subscription = Subscription(self, project, job)
        with self._lock:
            if self._is_open:
                self._subscriptions.append(subscription)
                return subscription
        subscription.end()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Tell a listener nothing more."""
        with self._lock:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)

    def close(self) -> None:
        """End every subscription: those who wait return at once."""
        with self._lock:
            self._is_open = False
            ended, self._subscriptions = self._subscriptions, []
        for each in ended:
            each.end()
