"""Every operation of the interface's own description, with what nobody should send.

A server can refuse in words and write all the same, so after every operation the records, the blobs
and the images are compared with what they were before.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import select

from limner.http.app import openapi_document
from limner.records import jobs
from limner.records.tables import metadata

# The fixtures' classes live in conftest.py, which cannot be imported.
Live = Any
Project = Any

DOCUMENT = openapi_document()
OPERATIONS: list[tuple[str, str, dict[str, Any]]] = [
    (method.upper(), path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]


def media_types(operation: dict[str, Any], *, sent: bool) -> set[str]:
    """Media types of an operation's body, or of its usual answer."""
    where = operation.get("requestBody", {}) if sent else operation["responses"].get("200", {})
    return set(where.get("content", {}))


def every(question: Callable[[str, str, dict[str, Any]], bool]) -> pytest.MarkDecorator:
    """Parametrise a test by the operations that it is about."""
    chosen = [each for each in OPERATIONS if question(*each)]
    ids = [f"{method} {path}" for method, path, _ in chosen]
    return pytest.mark.parametrize(("method", "path", "operation"), chosen, ids=ids)


FIRST = {path: method for method, path, _ in reversed(OPERATIONS)}
"""One operation of each path."""

GARBAGE_PARTS = [
    "0",
    "-1",
    "1.5",
    "01",
    "1e3",
    "true",
    "null",
    "NaN",
    "9" * 18,
    "9" * 19,
    "9" * 400,
    "x" * 7000,
    "x" * 12_000,
    "%00",
    "a%00b",
    # Bare dots a client resolves itself; so they are sent encoded.
    "%2e",
    "%2e%2e",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%5c..%5cwindows",
    "%ff%fe",
    "%",
    "%zz",
    "%f0%9f%92%a9",
    "A-Project",
    "-dash-",
    "a b",
    "a%0d%0aX-Forged:%201",
    "';DROP TABLE samples;--",
    "%7Bproject%7D",
    "~",
]
GARBAGE_BODIES: list[tuple[str, bytes]] = [
    ("application/json", b"[]"),
    ("application/json", b"null"),
    ("application/json", b"1"),
    ("application/json", b'"text"'),
    ("application/json", b"true"),
    ("application/json", b"{"),
    ("application/json", b"{]"),
    ("application/json", b'{"a": NaN}'),
    ("application/json", b'{"unknown": 1}'),
    ("application/json", b'{"__proto__": {}, "annotator": {"$ne": null}}'),
    ("application/json", b"\xff\xfe\x00"),
    ("application/json", b'{"a": "\\u0000"}'),
    ("application/json", b"[" * 20_000),
    ("application/json", b'{"a":' * 5000),
    ("application/json", b"1" * 10_000),
    ("application/json", b" " * (1 << 20) + b"1"),
    ("application/json; charset=utf-16", '{"unknown": 1}'.encode("utf-16")),
    ("text/plain", b"hello"),
    ("application/x-www-form-urlencoded", b"annotator=a&file=b"),
    ("multipart/form-data", b"no boundary"),
    ("multipart/form-data; boundary=b", b"--b\r\nbroken"),
    ("multipart/form-data; boundary=b", b"--b--\r\n"),
    (
        "multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="../../x.nii.gz"\r\n\r\n'
        b"\x00\x01\r\n--b--\r\n",
    ),
    ("application/xml", b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"),
    ("nonsense", b"\x00" * 100),
]
WRONG: list[Any] = [{"a": [1]}, [[{}]], -1e300]
GARBAGE_QUERIES = [
    "limit=0",
    "limit=99999999999999999999",
    "limit=a",
    "limit=1&limit=2",
    "cursor=",
    "cursor=%00",
    "cursor=%ff",
    "cursor=bnVsbA",
    "cursor=IngI",
    "cursor=MTAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMA",
    "cursor=" + "A" * 600,
    "cursor=../../etc/passwd",
    "unknown=1",
    "state=odd",
    "name=%00",
    "name=" + "x" * 2000,
    "name=%25_%25",
    "annotator=",
    "annotator=%0a",
    "annotator=" + "x" * 300,
    "channel=-1",
    "channel=99999999999999",
    "format=exe",
    "&&==&",
    "%",
    "a[b]=1",
]


@pytest.fixture(scope="module")
def here(live: Live) -> dict[str, Any]:
    """Things that are there: a value for every part of a path."""
    project = live.project(images=3)
    return {**project.parts(), "folder": project.folder}


@pytest.fixture
def unchanged(live: Live, here: dict[str, Any]) -> Iterator[None]:
    """Holds that a test changes nothing that is stored."""
    wait_until_idle(live)
    before = stored(live, here["folder"])
    yield
    wait_until_idle(live)
    after = stored(live, here["folder"])
    for name, digest in before.items():
        assert after[name] == digest, f"{name} has changed"


def wait_until_idle(live: Live) -> None:
    def is_idle() -> bool:
        with live.service.records.read() as tx:
            return not jobs.unfinished(tx)

    live.wait_for(is_idle)


def stored(live: Live, images: Path) -> dict[str, Any]:
    """All rows of all tables, and the names and sizes of all files."""
    with live.service.records.read() as tx:
        found: dict[str, Any] = {
            table.name: hashlib.sha256(
                repr(sorted(map(repr, tx.execute(select(table)).all()))).encode()
            ).hexdigest()
            for table in metadata.sorted_tables
        }
    for folder in (live.service.settings.home / "blobs", images):
        found[folder.name] = sorted(
            (str(path.relative_to(folder)), path.stat().st_size)
            for path in folder.rglob("*")
            if path.is_file()
        )
    return found


def check(answer: httpx.Response, what: object) -> None:
    """An answer to garbage is a problem of the client's, told as such; or there was no harm."""
    assert answer.status_code < 500, (what, answer.status_code, answer.text)
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json", what
        assert answer.json()["status"] == answer.status_code
        assert answer.json()["detail"], what
    assert answer.headers["X-Request-Id"]
    assert "X-Forged" not in answer.headers
    assert "Traceback" not in answer.text


def filled(path: str, here: dict[str, Any], **instead: str) -> str:
    return re.sub(r"{(\w+)}", lambda part: instead.get(part[1], str(here[part[1]])), path)


@every(lambda method, path, operation: "{" in path)
@pytest.mark.usefixtures("unchanged")
def test_garbage_in_a_path_is_missing(
    http: httpx.Client, here: dict[str, Any], method: str, path: str, operation: dict[str, Any]
) -> None:
    for part in re.findall(r"{(\w+)}", path):
        for garbage in GARBAGE_PARTS:
            url = filled(path, here, **{part: garbage})
            answer = http.request(method, url, json={"annotator": "a", "kind": "train"})
            check(answer, url)
            assert answer.status_code in {404, 405, 414, 415, 422}, (url, answer.status_code)


@every(
    lambda method, path, operation: (
        method == "GET" and "text/event-stream" not in media_types(operation, sent=False)
    )
)
@pytest.mark.usefixtures("unchanged")
def test_garbage_in_a_query_is_refused(
    http: httpx.Client, here: dict[str, Any], method: str, path: str, operation: dict[str, Any]
) -> None:
    known = {each["name"] for each in operation.get("parameters", []) if each["in"] == "query"}
    for query in GARBAGE_QUERIES:
        answer = http.get(f"{filled(path, here)}?{query}")
        check(answer, query)
        if known and query.partition("=")[0] not in known | {"&&", "%"}:
            assert answer.status_code in {400, 422}, (query, answer.status_code)


@every(lambda method, path, operation: "requestBody" in operation)
@pytest.mark.usefixtures("unchanged")
def test_garbage_in_a_body_is_refused(
    http: httpx.Client, here: dict[str, Any], method: str, path: str, operation: dict[str, Any]
) -> None:
    for content_type, body in GARBAGE_BODIES:
        answer = http.request(
            method, filled(path, here), content=body, headers={"Content-Type": content_type}
        )
        check(answer, (content_type, body[:40]))
        assert answer.status_code in {400, 413, 415, 422}, (body[:40], answer.status_code)


@every(lambda method, path, operation: "application/json" in media_types(operation, sent=True))
@pytest.mark.usefixtures("unchanged")
def test_every_field_of_a_wrong_type_is_refused(
    http: httpx.Client, here: dict[str, Any], method: str, path: str, operation: dict[str, Any]
) -> None:
    content = operation["requestBody"]["content"]
    name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    for field in DOCUMENT["components"]["schemas"][name]["properties"]:
        for value in WRONG:
            answer = http.request(method, filled(path, here), json={field: value})
            check(answer, (field, value))
            assert answer.status_code == 422, (field, value, answer.status_code)
            assert any(each.startswith(field) for each in answer.json()["problems"]), field


@every(lambda method, path, operation: "{" in path)
@pytest.mark.usefixtures("unchanged")
def test_what_is_not_there_is_missing(
    http: httpx.Client, here: dict[str, Any], method: str, path: str, operation: dict[str, Any]
) -> None:
    for part in re.findall(r"{(\w+)}", path):
        absent = "absent" if part == "project" else "987654321"
        body: dict[str, Any] = {"json": {"annotator": "a"}} if path.endswith("/next") else {}
        if path.endswith("/jobs"):
            body = {"json": {"kind": "train"}}
        if method == "POST" and path.endswith(("/labels", "/samples")):
            body = {"files": {"file": ("a.nii.gz", b"x")}}
            if path.endswith("/labels"):
                body["data"] = {"annotator": "a"}
        url = filled(path, here, **{part: absent})
        if path.endswith("/assignments"):
            url += "?annotator=a"
        answer = http.request(method, url, **body)
        check(answer, url)
        assert answer.status_code == 404, (url, answer.text)


@every(lambda method, path, operation: method == FIRST[path])
@pytest.mark.usefixtures("unchanged")
def test_methods_that_a_path_does_not_have_are_named_wrong(
    http: httpx.Client, here: dict[str, Any], method: str, path: str, operation: dict[str, Any]
) -> None:
    own = {each for each, other, _ in OPERATIONS if other == path}
    for wrong in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"} - own:
        answer = http.request(wrong, filled(path, here))
        check(answer, (wrong, path))
        assert answer.status_code == 405
        assert own <= set(answer.headers["Allow"].replace(" ", "").split(","))


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": "nonsense"},
        {"Accept": ";;q=,,*"},
        {"Accept": "x" * 9000},
        {"Range": "bytes=a-b, c"},
        {"Range": "bytes=" + "0-1," * 2000},
        {"If-None-Match": '"' * 1000},
        {"If-Modified-Since": "yesterday"},
        {"If-Range": "\x01"},
        {"Authorization": "Bearer \x80"},
        {"X-Request-Id": "a" * 5000},
        {"Limner-Actor": "x" * 5000},
        {"Content-Type": "multipart/form-data; boundary=" + "b" * 5000},
        {"Last-Event-ID": "-1"},
        {"Idempotency-Key": "x" * 5000},
        {"Cookie": "=;=;" * 500},
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_garbage_in_headers_does_no_harm(
    http: httpx.Client, here: dict[str, Any], headers: dict[str, str]
) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    for method, path, operation in OPERATIONS:
        endless = "text/event-stream" in media_types(operation, sent=False)
        if method == "GET" and not endless:
            answer = http.get(filled(path, here), headers=raw)
            check_file(answer, path)


def check_file(answer: httpx.Response, what: object) -> None:
    if answer.status_code >= 400:
        check(answer, what)


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "a/b.nii.gz",
        "..\\x.nii.gz",
        ".hidden.nii.gz",
        "a" * 300 + ".nii.gz",
        "a\x01.nii.gz",
        "con.nii.gz\u202e",
        ".nii.gz",
        "a.exe",
        quote("\x00") + "\x00.nii.gz",
    ],
)
def test_an_odd_file_name_stays_inside_and_breaks_nothing(
    http: httpx.Client, live: Live, here: dict[str, Any], name: str
) -> None:
    outside = set(here["folder"].parent.iterdir())
    url = f"/api/v1/projects/{here['project']}/samples"
    check(http.post(url, files={"file": (name, b"no image")}), name)
    assert set(here["folder"].parent.iterdir()) == outside
