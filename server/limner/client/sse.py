"""Reading server-sent events (WHATWG HTML, section 9.2) from a stream of lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from limner.client.answers import Event
from limner.client.connection import Call, Connection

SILENCE_S = 45.0
"""Servers send a comment every few seconds; after so much silence a stream is dead."""

ALIVE = "alive"
"""Kind that a comment is given: servers send them so that silence is not taken for death."""


def events(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events of a stream, and its comments as events of the kind `ALIVE`.

    Data that are JSON are parsed, others stay text.
    """
    kind, last_id, data = "message", "", list[str]()
    for line in lines:
        if not line:
            if data:
                yield Event(kind=kind, data=_parsed("\n".join(data)), id=last_id)
            kind, data = "message", []
            continue
        if line.startswith(":"):
            yield Event(kind=ALIVE, data=line[1:].strip())
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "event":
            kind = value
        elif name == "id":
            last_id = value


@contextmanager
def listen(connection: Connection, path: str) -> Iterator[Iterator[Event]]:
    """Open a stream of events; those of the block's lifetime can be read from it."""
    call = Call(
        method="GET",
        path=path,
        headers={"Accept": "text/event-stream"},
        timeout_s=SILENCE_S,
    )
    with connection.stream(call) as response:
        yield events(response.iter_lines())


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
