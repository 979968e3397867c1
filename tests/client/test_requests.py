"""What is sent, how often, and what becomes of a refusal."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from limner.client import (
    AccessRefused,
    BadRequest,
    Conflicting,
    HTTPProblem,
    Limner,
    Missing,
    Overloaded,
    ServerFailed,
    ServerUnreachable,
    UnexpectedAnswer,
)

BUSY = httpx.Response(503, headers={"Retry-After": "2"}, json={"title": "busy", "status": 503})
INFO = httpx.Response(200, json={"version": "0.1.0", "unknown": "field"})
LABEL = httpx.Response(
    201, json={"label": {"id": 1, "version": 1, "sha256": "ab", "state": "submitted"}}
)


def test_every_request_carries_the_token(limner: Limner, stub: Any) -> None:
    stub.give(INFO)
    assert limner.info().version == "0.1.0"
    assert stub.requests[0].headers["Authorization"] == "Bearer secret"


def test_reading_is_tried_again_after_a_lost_connection(limner: Limner, stub: Any) -> None:
    stub.give(httpx.ReadError("broken"), httpx.ConnectTimeout("slow"), INFO)
    assert limner.info().version == "0.1.0"
    assert len(stub.requests) == 3


def test_a_busy_server_is_asked_again_when_it_says(limner: Limner, stub: Any) -> None:
    stub.give(BUSY, INFO)
    limner.info()
    assert stub.pauses == [2.0]


def test_pauses_grow_and_differ(limner: Limner, stub: Any) -> None:
    stub.give(httpx.ReadError("broken"))
    with pytest.raises(ServerUnreachable):
        limner.info()
    assert len(stub.pauses) == 3
    assert stub.pauses[0] < stub.pauses[2]


def test_an_answer_that_breaks_off_is_asked_for_again(limner: Limner, stub: Any) -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        class Stream(httpx.SyncByteStream):
            def __iter__(self) -> Any:
                yield b'{"ver'
                raise httpx.ReadError("broken")

        return httpx.Response(200, stream=Stream())

    stub.give(broken, INFO)
    assert limner.info().version == "0.1.0"


def test_a_label_is_sent_again_with_the_same_key_and_the_same_bytes(
    limner: Limner, stub: Any, tmp_path: Path
) -> None:
    mask = tmp_path / "mask.nii.gz"
    mask.write_bytes(b"voxels" * 1000)
    stub.give(httpx.ReadError("broken"), LABEL)
    limner.project("p").submit(3, mask, annotator="ann", assignment=9, seconds=1.5)
    first, second = stub.requests
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert first.content == second.content
    assert b"voxels" in first.content
    assert re.search(rb'name="assignment"\r\n\r\n9\r\n', first.content)


def test_a_stream_is_sent_from_its_start_each_time(limner: Limner, stub: Any) -> None:
    stub.give(httpx.ReadError("broken"), LABEL)
    limner.project("p").submit(3, io.BytesIO(b"abc"), annotator="ann", filename="m.png")
    assert stub.requests[0].content == stub.requests[1].content


def test_two_submissions_have_two_keys(limner: Limner, stub: Any) -> None:
    stub.give(LABEL)
    for _ in range(2):
        limner.project("p").submit(3, io.BytesIO(b"abc"), annotator="ann", filename="m.png")
    keys = {request.headers["Idempotency-Key"] for request in stub.requests}
    assert len(keys) == 2


def test_a_change_without_a_key_is_sent_once(limner: Limner, stub: Any) -> None:
    stub.give(httpx.ReadError("broken"))
    with pytest.raises(ServerUnreachable):
        limner.project("p").change_sample(1, state="set_aside")
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest),
        (401, AccessRefused),
        (403, AccessRefused),
        (404, Missing),
        (409, Conflicting),
        (413, BadRequest),
        (415, BadRequest),
        (418, HTTPProblem),
        (422, BadRequest),
        (500, ServerFailed),
        (502, ServerFailed),
        (503, Overloaded),
        (504, ServerFailed),
        (507, Overloaded),
    ],
)
def test_each_refusal_is_an_exception_of_its_own(
    limner: Limner, stub: Any, status: int, kind: type[HTTPProblem]
) -> None:
    problem = {
        "title": "Title",
        "status": status,
        "detail": "It was wrong.",
        "problems": ["a: bad", "b: worse"],
        "request_id": "r1",
    }
    stub.give(httpx.Response(status, json=problem))
    with pytest.raises(kind) as caught:
        limner.info()
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert caught.value.problems == ("a: bad", "b: worse")
    assert caught.value.request_id == "r1"
    assert "It was wrong." in str(caught.value)
    assert "b: worse" in str(caught.value)


def test_a_refusal_that_is_no_problem_document_is_still_one(limner: Limner, stub: Any) -> None:
    stub.give(httpx.Response(404, text="<html>"))
    with pytest.raises(Missing, match="404"):
        limner.info()


def test_a_plugin_that_failed_is_not_asked_again(limner: Limner, stub: Any) -> None:
    stub.give(httpx.Response(502, json={"status": 502}))
    with pytest.raises(ServerFailed):
        limner.project("p").predict(1)
    assert len(stub.requests) == 1


def test_what_is_no_limner_server_is_said_so(limner: Limner, stub: Any) -> None:
    stub.give(httpx.Response(200, text="<html>hello"))
    with pytest.raises(UnexpectedAnswer, match="Limner server"):
        limner.info()
    stub.give(httpx.Response(200, json={"name": "other"}))
    with pytest.raises(UnexpectedAnswer, match="version"):
        limner.info()


def test_an_unreachable_server_is_named_with_what_to_do(limner: Limner, stub: Any) -> None:
    stub.give(httpx.ConnectError("refused"))
    with pytest.raises(ServerUnreachable, match=r"http://stub.*limner serve"):
        limner.info()


def test_names_are_quoted_in_paths(limner: Limner, stub: Any) -> None:
    stub.give(httpx.Response(404, json={}))
    with pytest.raises(Missing):
        limner.project("../a b").get()
    assert stub.requests[0].url.raw_path == b"/api/v1/projects/..%2Fa%20b"


def test_a_prediction_says_which_version_drew_it(limner: Limner, stub: Any) -> None:
    stub.give(
        httpx.Response(
            200,
            content=b"mask",
            headers={"Limner-Model-Version": "4", "Content-Type": "application/gzip"},
        )
    )
    predicted = limner.project("p").predict(1, accept="application/gzip")
    assert (predicted.data, predicted.model_version) == (b"mask", 4)
    assert stub.requests[0].headers["Accept"] == "application/gzip"


def test_next_tells_why_there_is_nothing(limner: Limner, stub: Any) -> None:
    stub.give(httpx.Response(200, json={"assignment": None, "reason": "nothing left"}))
    found = limner.project("p").next("ann")
    assert (found.assignment, found.reason) == (None, "nothing left")


def test_an_assignment_is_read_with_its_sample_and_prediction(limner: Limner, stub: Any) -> None:
    sample = {"id": 5, "name": "a", "shape": [2, 3, 4], "spacing_mm": [1.0, 1.0, 2.0]}
    lent = {
        "id": 9,
        "expires_at": "2026-01-01T00:00:00.000Z",
        "sample": sample,
        "strategy": "entropy",
        "score": None,
        "reason": "unsure",
        "prediction": {"model_version": 2, "url": "/x"},
    }
    stub.give(httpx.Response(200, json={"assignment": lent, "reason": None}))
    found = limner.project("p").next("ann").assignment
    assert found is not None
    assert found.sample.shape == (2, 3, 4)
    assert found.prediction is not None
    assert found.prediction.model_version == 2


def test_readiness_is_asked_once_and_answered_at_once(limner: Limner, stub: Any) -> None:
    stub.give(BUSY, httpx.ConnectError("refused"), httpx.Response(200, json={"status": "ready"}))
    assert [limner.ready(), limner.ready(), limner.ready()] == [False, False, True]
    assert len(stub.requests) == 3
    assert stub.pauses == []
