"""Waiting for jobs, whatever the server's events do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from limner.client import Job, JobFailed, Limner, WaitTimeout
from limner.client.sse import ALIVE, events


def told(job: dict[str, Any]) -> str:
    return f"event: job\ndata: {json.dumps(job)}"


def test_events_are_followed_until_the_job_ends(
    limner: Limner,
    stub: Any,
    job_json: Callable[..., dict[str, Any]],
    event_stream: Callable[..., httpx.Response],
) -> None:
    looks = iter(
        [job_json("queued"), job_json("running"), job_json("succeeded", 10, result={"version": 1})]
    )

    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            return event_stream(
                [told(job_json("running", 3)), ": still here", told(job_json("succeeded", 10))]
            )
        return httpx.Response(200, json=next(looks))

    stub.give(reply)
    seen: list[Job] = []
    job = limner.wait(7, seen.append)
    assert job.result == {"version": 1}
    assert [each.state for each in seen] == ["queued", "running", "running", "succeeded"]
    assert [each.progress.step for each in seen] == [0, 0, 3, 10]
    assert stub.pauses == []


def test_polling_does_where_events_do_not_come(
    limner: Limner, stub: Any, job_json: Callable[..., dict[str, Any]]
) -> None:
    looks = iter([job_json("running", step) for step in (1, 2)] + [job_json("succeeded", 10)])

    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            return httpx.Response(404, json={"status": 404})
        return httpx.Response(200, json=next(looks))

    stub.give(reply)
    assert limner.wait(7, poll_s=0.25).state == "succeeded"
    assert stub.pauses == [0.25, 0.25]


def test_a_stream_that_breaks_off_is_opened_again(
    limner: Limner,
    stub: Any,
    job_json: Callable[..., dict[str, Any]],
    event_stream: Callable[..., httpx.Response],
) -> None:
    streams = iter([event_stream([told(job_json("running", 1))]), event_stream([])])
    looks = iter([job_json("running")] * 2 + [job_json("running", 2)] * 2 + [job_json("succeeded")])

    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            return next(streams)
        return httpx.Response(200, json=next(looks))

    stub.give(reply)
    assert limner.wait(7).state == "succeeded"


def test_a_failed_job_is_raised_with_its_reason(
    limner: Limner, stub: Any, job_json: Callable[..., dict[str, Any]]
) -> None:
    stub.give(
        httpx.Response(200, json=job_json("failed", error={"type": "X", "detail": "no memory"}))
    )
    with pytest.raises(JobFailed, match="no memory") as caught:
        limner.wait(7)
    assert caught.value.job.id == 7


def test_a_cancelled_job_is_raised_too(
    limner: Limner, stub: Any, job_json: Callable[..., dict[str, Any]]
) -> None:
    stub.give(httpx.Response(200, json=job_json("cancelled")))
    with pytest.raises(JobFailed, match="cancelled"):
        limner.wait(7)


def test_waiting_ends_in_time_and_leaves_the_job_alone(
    limner: Limner, stub: Any, job_json: Callable[..., dict[str, Any]]
) -> None:
    stub.give(httpx.Response(200, json=job_json("running")))
    with pytest.raises(WaitTimeout) as caught:
        limner.wait(7, timeout_s=0)
    assert caught.value.job.state == "running"
    assert {request.method for request in stub.requests} == {"GET"}


def test_events_of_a_stream_are_read_as_the_standard_says() -> None:
    lines = [
        "retry: 2000",
        "",
        ": still here",
        "id: 4",
        "event: job",
        'data: {"a":',
        "data: 1}",
        "",
        "data: plain",
        "",
        "data: cut off",
    ]
    found = [(each.kind, each.data, each.id) for each in events(lines)]
    assert found == [
        (ALIVE, "still here", ""),
        ("job", {"a": 1}, "4"),
        ("message", "plain", "4"),
    ]


def test_events_can_be_followed_by_themselves(
    limner: Limner, stub: Any, event_stream: Callable[..., httpx.Response]
) -> None:
    stub.give(event_stream([": here", 'event: label\ndata: {"id": 3}']))
    assert [(each.kind, each.data) for each in limner.project("p").events()] == [
        ("label", {"id": 3})
    ]
