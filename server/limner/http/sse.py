"""Server-sent events (WHATWG HTML, section 9.2): a project's or a job's changes as they happen.

A stream holds one of the server's threads, so their number is bounded. Events that a slow reader
misses are gone: every stream begins with the present state, so a reader that comes back knows where
things stand whatever it missed. `Last-Event-ID` is therefore welcome and changes nothing.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import ServiceUnavailable

HEARTBEAT_S = 10.0
"""A comment is sent after so much silence, so that dead connections are noticed."""

TICK_S = 0.5
"""How soon a stream notices that the server stops or its reader has gone."""


class Event(Protocol):
    """What the service publishes."""

    @property
    def id(self) -> int:
        """Rises with every event."""
        ...

    @property
    def kind(self) -> str:
        """What it is about."""
        ...

    @property
    def project(self) -> str:
        """Name of the project."""
        ...

    @property
    def job(self) -> int | None:
        """Id of the job, where it is about one."""
        ...

    @property
    def data(self) -> Mapping[str, Any]:
        """What happened."""
        ...


class Subscription(Protocol):
    """Where a stream's events come from."""

    def get(self, timeout_s: float) -> Event | None:
        """Wait for the next event; None when there was none in time."""
        ...


class Streams:
    """Counts the open streams and ends them when the server stops."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._open = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    @property
    def open(self) -> int:
        """How many streams are open."""
        return self._open

    @property
    def stopping(self) -> bool:
        """Whether the server stops."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """End every stream within `TICK_S`."""
        self._stopping.set()

    def enter(self) -> None:
        """Take one of the places.

        Raises:
            ServiceUnavailable: All are taken, or the server stops.
        """
        with self._lock:
            if self.stopping or self._open >= self.limit:
                raise ServiceUnavailable(
                    f"All {self.limit} event streams are open; close one or come back later.",
                    retry_after=5,
                )
            self._open += 1

    def leave(self) -> None:
        """Give the place back."""
        with self._lock:
            self._open -= 1

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold one of the places while a block lasts; raises as `enter` does."""
        self.enter()
        try:
            yield
        finally:
            self.leave()


def event_text(kind: str, data: Mapping[str, Any], id: int | None = None) -> bytes:
    """Write one event; data is one line of JSON."""
    lines = [] if id is None else [f"id: {id}"]
    lines += [f"event: {kind}", f"data: {json.dumps(data, separators=(',', ':'), default=str)}"]
    return ("\n".join(lines) + "\n\n").encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What one stream tells."""

    subscribe: Callable[[], AbstractContextManager[Subscription]]
    """Opens the subscription; called before `present`, so that nothing falls between."""
    present: Callable[[], tuple[str, Mapping[str, Any]]]
    """The kind and data of the first event: how things stand."""
    shown: Callable[[Event], Mapping[str, Any]]
    """An event's data as the rest of the interface shows them."""
    ended: Callable[[str, Mapping[str, Any]], bool]
    """Whether an event (kind, data) is the last one."""


def stream(streams: Streams, feed: Feed) -> Response:
    """Answer with a stream of events.

    Raises:
        ServiceUnavailable: Too many streams are open.
    """
    feed.present()  # What is unknown or broken is answered as a problem, before the stream begins.
    streams.enter()
    gone: Callable[[], bool] = request.environ.get("waitress.client_disconnected", lambda: False)
    app = cast(Any, current_app)._get_current_object()
    response = Response(
        _Body(streams, _lines(streams, feed, app, gone)), content_type="text/event-stream"
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # proxies hand each event on at once
    return response


class _Body:
    """A body that gives its place back however it ends, even when nobody ever read from it."""

    def __init__(self, streams: Streams, lines: Generator[bytes, None, None]) -> None:
        self._streams = streams
        self._lines = lines
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self._lines

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._lines.close()
            self._streams.leave()


def _lines(
    streams: Streams, feed: Feed, app: Flask, gone: Callable[[], bool]
) -> Generator[bytes, None, None]:
    # The request is over when this runs, so the application is named where it is needed.
    with app.app_context():
        subscription_of = feed.subscribe()
    with subscription_of as subscription:
        with app.app_context():
            kind, data = feed.present()
        yield b"retry: 2000\n\n" + event_text(kind, data)
        silent_since = time.monotonic()
        while not feed.ended(kind, data) and not streams.stopping and not gone():
            event = subscription.get(TICK_S)
            if event is not None:
                with app.app_context():
                    kind, data = event.kind, feed.shown(event)
                yield event_text(kind, data, event.id)
            elif time.monotonic() - silent_since >= HEARTBEAT_S:
                yield b": still here\n\n"
            else:
                continue
            silent_since = time.monotonic()
