"""What requests say is read strictly, and what was done under a key is done once."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from flask import Response
from flask.testing import FlaskClient
from flask_openapi3.openapi import OpenAPI
from pydantic import Field
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from limner.errors import Conflict
from limner.http import converters, errors
from limner.http.answers import answer
from limner.http.context import Parts, attach
from limner.http.requests import StrictRequest
from limner.http.rest.shapes.pages import PageQuery
from limner.http.rest.shapes.values import Answered, Asked, PersonName, Upload
from limner.http.routes import Routes
from limner.records.database import Records


class Wish(Asked):
    """A body."""

    annotator: PersonName = Field(description="Who.")
    count: int = Field(default=1, ge=0, description="How many.")
    share: float = Field(default=0.5, description="How much.")


class Form(Asked):
    """A form."""

    file: Upload = Field(description="What.")
    seconds: float | None = Field(default=None, description="How long.")


class Echo(Answered):
    """An answer."""

    said: dict[str, Any] = Field(description="What was said.")


@dataclass
class Small:
    """A small application, and how often it was asked to do something."""

    client: FlaskClient
    calls: list[str] = field(default_factory=list)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    records = Records.open(tmp_path)
    app = OpenAPI("test", doc_ui=False)
    app.request_class = StrictRequest
    app.config["MAX_CONTENT_LENGTH"] = 4 << 20
    converters.install(app)
    errors.register(app)
    attach(app, cast(Parts, SimpleNamespace(service=SimpleNamespace(records=records))))
    small = Small(app.test_client())
    routes = Routes("Small", "A small resource.", prefix="")

    @routes.get("/list", answers=Echo)
    def list_things(query: PageQuery) -> Response:
        return answer(Echo(said=query.model_dump()))

    @routes.post("/wish", answers={201: Echo})
    def wish(body: Wish) -> Response:
        small.calls.append(body.annotator)
        if body.annotator == "busy":
            raise Conflict("not now")
        return answer(Echo(said={"call": len(small.calls)}), 201, {"Location": "/wish/1"})

    @routes.post("/form", answers={200: Echo})
    def form(form: Form) -> Response:
        small.calls.append("form")
        content = form.file.stream.read()
        return answer(Echo(said={"size": len(content), "name": form.file.filename}))

    app.register_api(routes.api)
    yield small
    records.close()


def post(small: Small, body: bytes | str, content_type: str | None = "application/json") -> Any:
    return small.client.post("/wish", data=body, content_type=content_type)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 200),
        ("limit=1000&cursor=abc", 200),
        ("limit=0", 422),
        ("limit=1001", 422),
        ("limit=true", 422),
        ("limit=1.5", 422),
        ("limit=" + "9" * 5000, 422),
        ("limit=1&limit=2", 422),
        ("limti=5", 422),
        ("cursor=" + "x" * 513, 422),
        ("cursor=%ff%fe", 400),
        ("%ff=1", 400),
        ("limit=%", 422),
    ],
)
def test_a_query_is_taken_by_its_word(small: Small, query: str, status: int) -> None:
    response = small.client.get(f"/list?{query}")
    assert response.status_code == status
    if status >= 400:
        assert response.content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"annotator": "a"}', 201),
        (b'{"annotator": "a", "count": 2, "share": 1}', 201),
        (b"", 422),
        (b"{}", 422),
        (b"[]", 422),
        (b"null", 422),
        (b'"a"', 422),
        (b'{"annotator": 1}', 422),
        (b'{"annotator": ""}', 422),
        (b'{"annotator": "a\\nb"}', 422),
        (b'{"annotator": " a"}', 422),
        (b'{"annotator": "' + b"x" * 201 + b'"}', 422),
        (b'{"annotator": "a", "count": true}', 422),
        (b'{"annotator": "a", "count": "2"}', 422),
        (b'{"annotator": "a", "count": 2.0}', 422),
        (b'{"annotator": "a", "share": "1"}', 422),
        (b'{"annotator": "a", "count": -1}', 422),
        (b'{"annotator": "a", "unknown": 1}', 422),
        (b'{"annotator": "a", "share": NaN}', 400),
        (b'{"annotator": "a", "share": 1e400}', 400),
        (b'{"annotator": "a\\u0000"}', 400),
        (b'{"annotator": "\\ud800"}', 400),
        (b'{"annotator": "\xff"}', 400),
        (b'{"annotator": "a"', 400),
        (b'{"annotator": "a", "annotator": "b"}', 400),
        (b"\x00\x01\x02", 400),
        (b"[" * 50_000, 400),
        (b" " * (1 << 20) + b"{}", 413),
    ],
)
def test_a_body_is_taken_by_its_word(small: Small, body: bytes, status: int) -> None:
    response = post(small, body)
    assert response.status_code == status, response.text
    assert len(small.calls) == (1 if status == 201 else 0)
    if status >= 400:
        assert response.content_type == "application/problem+json"


def test_everything_that_is_wrong_is_told_at_once(small: Small) -> None:
    problems = post(small, b'{"count": "x", "unknown": 1}').get_json(force=True)["problems"]
    assert len(problems) == 3
    assert any(each.startswith("annotator: ") for each in problems)
    assert any("'x'" in each for each in problems)


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_a_body_that_is_not_said_to_be_json_is_refused(
    small: Small, content_type: str | None
) -> None:
    assert post(small, b'{"annotator": "a"}', content_type).status_code == 415


def multipart(small: Small, *parts: tuple[str, Any], **headers: str) -> Any:
    data: dict[str, Any] = {}
    for name, value in parts:
        data.setdefault(name, []).append(value)
    boundary, body = encode_multipart(data)
    return small.client.post(
        "/form",
        data=body,
        content_type=f"multipart/form-data; boundary={boundary}",
        headers=headers,
    )


def upload(content: bytes = b"abc", name: str = "a.nii.gz") -> tuple[str, Any]:
    return "file", FileStorage(io.BytesIO(content), filename=name)


def test_a_form_carries_its_file(small: Small) -> None:
    response = multipart(small, upload(b"x" * 700_000), ("seconds", "2.5"))
    assert response.get_json()["said"] == {"size": 700_000, "name": "a.nii.gz"}


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([("seconds", "1")], 422),
        ([("file", "only text")], 422),
        ([upload(name="")], 422),
        ([upload(), upload()], 422),
        ([upload(), ("other", FileStorage(io.BytesIO(b""), filename="b.nii.gz"))], 422),
        ([upload(), ("seconds", "nan")], 422),
        ([upload(), ("seconds", "inf")], 422),
        ([upload(), ("seconds", "1"), ("seconds", "2")], 422),
        ([upload(), ("unknown", "1")], 422),
        ([upload(b"x" * (5 << 20))], 413),
        ([upload(), ("seconds", "1" * 600_000)], 413),
    ],
)
def test_a_form_is_taken_by_its_word(small: Small, parts: list[Any], status: int) -> None:
    response = multipart(small, *parts)
    assert response.status_code == status, response.text
    assert small.calls == []
    assert response.content_type == "application/problem+json"


def test_a_field_that_was_not_filled_in_is_as_good_as_absent(small: Small) -> None:
    # Browsers send every field of a form, also the empty ones.
    response = multipart(small, upload(), ("seconds", ""))
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"x", "multipart/form-data; boundary=", 400),
        (b"--b\r\n", "multipart/form-data; boundary=b", 400),
        (b"nothing of the kind", "multipart/form-data; boundary=b", 400),
        (
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\ncut o',
            "multipart/form-data; boundary=b",
            400,
        ),
        (
            b'--b\r\nContent-Disposition: form-data; name="seconds"\r\n\r\n\xff\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
            400,
        ),
        (b"x", "multipart/form-data; boundary=\xc3\xa4", 400),
        (b"{}", "application/json", 415),
        (b"", None, 415),
    ],
)
def test_a_broken_form_is_refused(
    small: Small, body: bytes, content_type: str | None, status: int
) -> None:
    response = small.client.post("/form", data=body, content_type=content_type)
    assert response.status_code == status, response.text
    assert small.calls == []


def keyed(small: Small, key: str, body: dict[str, Any]) -> Any:
    return small.client.post("/wish", json=body, headers={"Idempotency-Key": key})


def test_the_same_key_and_request_get_the_same_answer_again(small: Small) -> None:
    first, again = (keyed(small, "k1", {"annotator": "a"}) for _ in range(2))
    assert small.calls == ["a"]
    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert again.headers["Location"] == "/wish/1"
    assert again.content_type == "application/json"
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers


def test_another_key_or_none_is_another_request(small: Small) -> None:
    for key in ("k1", "k2"):
        keyed(small, key, {"annotator": "a"})
    for _ in range(2):
        small.client.post("/wish", json={"annotator": "a"})
    assert len(small.calls) == 4


def test_a_key_that_was_used_for_another_request_is_refused(small: Small) -> None:
    keyed(small, "k1", {"annotator": "a"})
    response = keyed(small, "k1", {"annotator": "b"})
    assert response.status_code == 422
    assert small.calls == ["a"]


def test_what_was_refused_can_be_tried_again_with_its_key(small: Small) -> None:
    assert keyed(small, "k1", {"annotator": "busy"}).status_code == 409
    assert keyed(small, "k1", {"annotator": "busy"}).status_code == 409
    assert small.calls == ["busy", "busy"]
    assert keyed(small, "k1", {"annotator": "a"}).status_code == 201


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "ä"])
def test_an_unusable_key_is_refused(small: Small, key: str) -> None:
    assert keyed(small, key, {"annotator": "a"}).status_code == 422
    assert small.calls == []


def test_the_longest_key_is_kept_whole(small: Small) -> None:
    for last in "ab":
        keyed(small, "x" * 254 + last, {"annotator": last})
    assert small.calls == ["a", "b"]


def test_a_form_is_known_again_whatever_its_boundary(small: Small) -> None:
    answers = [multipart(small, upload(), **{"Idempotency-Key": "f1"}) for _ in range(2)]
    assert small.calls == ["form"]
    assert answers[0].data == answers[1].data
    assert json.loads(answers[0].data)["said"]["size"] == 3
    other = multipart(small, upload(b"abd"), **{"Idempotency-Key": "f1"})
    assert other.status_code == 422
    assert small.calls == ["form"]


@pytest.mark.parametrize(
    "path", ["/list/", "//list", "/%00", "/..%2f..%2fetc", "/" + "x" * 9000, "/wish/%ff"]
)
def test_paths_that_name_nothing_are_missing(small: Small, path: str) -> None:
    response = small.client.get(path)
    assert response.status_code == 404
    assert response.content_type == "application/problem+json"
