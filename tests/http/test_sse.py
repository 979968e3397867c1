"""Streams of events: what is written, when they end, and how many there may be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from werkzeug.exceptions import ServiceUnavailable

from limner.http import sse


@dataclass
class News:
    id: int
    kind: str
    data: Mapping[str, Any]
    project: str = "p"
    job: int | None = None


@dataclass
class Script:
    """A subscription whose events are known beforehand; None is a while without any."""

    script: list[News | None]
    closed: bool = False
    when_empty: Callable[[], None] = field(default=lambda: None)

    def get(self, timeout_s: float) -> News | None:
        if not self.script:
            self.when_empty()
            return None
        return self.script.pop(0)

    @contextmanager
    def open(self) -> Iterator[Script]:
        try:
            yield self
        finally:
            self.closed = True


def endless(present: Callable[[], tuple[str, dict[str, Any]]]) -> sse.Feed:
    return sse.Feed(
        subscribe=Script([]).open,
        present=present,
        shown=lambda event: event.data,
        ended=lambda kind, data: False,
    )


def texts(streams: sse.Streams, feed: Script, state: str = "running", headers: Any = None) -> str:
    app = Flask("test")
    with app.test_request_context("/", headers=headers):
        told = sse.Feed(
            subscribe=feed.open,
            present=lambda: ("job", {"id": 7, "state": state}),
            shown=lambda event: event.data,
            ended=lambda kind, data: data.get("state") == "succeeded",
        )
        response = sse.stream(streams, told)
    text = b"".join(response.response).decode()  # type: ignore[arg-type]
    response.close()
    return text


def data_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def test_a_stream_begins_with_the_present_state_and_ends_with_the_last_event() -> None:
    feed = Script(
        [
            News(4, "job", {"state": "running", "step": 1}),
            None,
            News(5, "job", {"state": "succeeded"}),
            News(6, "job", {"state": "never seen"}),
        ]
    )
    text = texts(sse.Streams(1), feed)
    assert [each["state"] for each in data_of(text)] == ["running", "running", "succeeded"]
    assert "id: 4\nevent: job\ndata: " in text
    assert text.endswith("\n\n")
    assert feed.closed


def test_a_job_that_has_ended_already_is_told_once() -> None:
    feed = Script([News(1, "job", {"state": "never seen"})])
    text = texts(sse.Streams(1), feed, state="succeeded", headers={"Last-Event-ID": "99"})
    assert [each["state"] for each in data_of(text)] == ["succeeded"]


def test_line_breaks_in_data_do_not_break_the_stream() -> None:
    text = sse.event_text("job", {"message": "a\n\nevent: forged\r"}, 3).decode()
    assert text.count("\n\n") == 1
    assert "\nevent: forged" not in text


def test_silence_is_filled_with_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.0)
    text = texts(sse.Streams(1), Script([None, News(2, "job", {"state": "succeeded"})]))
    assert ": still here\n\n" in text


def test_a_stream_ends_when_the_server_stops() -> None:
    streams = sse.Streams(1)
    feed = Script([None], when_empty=streams.stop)
    assert len(data_of(texts(streams, feed))) == 1
    assert streams.open == 0


def test_there_are_only_so_many_streams_and_a_closed_one_makes_room() -> None:
    streams = sse.Streams(2)
    app = Flask("test")

    def opened() -> Any:
        with app.test_request_context("/"):
            return sse.stream(streams, endless(lambda: ("job", {})))

    first, second = opened(), opened()
    with pytest.raises(ServiceUnavailable) as refusal:
        opened()
    assert refusal.value.retry_after == 5
    assert streams.open == 2
    first.close()
    third = opened()
    for each in (second, third, first):
        each.close()
    assert streams.open == 0


def test_what_does_not_exist_takes_no_place() -> None:
    streams = sse.Streams(1)

    def missing() -> tuple[str, dict[str, Any]]:
        raise LookupError("no such job")

    with Flask("test").test_request_context("/"), pytest.raises(LookupError):
        sse.stream(streams, endless(missing))
    assert streams.open == 0
