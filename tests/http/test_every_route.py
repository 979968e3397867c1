"""Every parameter and field of the interface's own description, one wrong thing at a time.

The matrix is made from the OpenAPI document, so a new route is in it without anybody thinking of
it. The promise: an answer in 4xx, as a problem, within a second, and nothing that is stored has
changed: not a row, not a file.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from sqlalchemy import select

from limner.http.app import openapi_document
from limner.records import jobs
from limner.records.tables import metadata

Live = Any
Schema = Mapping[str, Any]

ADMIN = "only for this server"
SECOND = 1.0
DOCUMENT = openapi_document()
OPERATIONS: list[tuple[str, str, dict[str, Any]]] = [
    (method.upper(), path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]
LONG = "x" * 10_000
DEEP = 100_000

JSON_VALUES: list[Any] = [
    None, True, 0, -1, 1, 1.5, -1e300, 2**31, 2**63, -(2**63) - 1, 10**30,
    "", "a", "1", "null", "../../etc/passwd", "%2e%2e%2f", "a\n", "\x7f", "\u2028", LONG,
    [], [[]], [None], {}, {"a": 1}, {"": ""},
]  # fmt: skip
"""Tried in every field; those that the field's own schema allows are left out."""

TEXTS = [
    "", "a", "-1", "0", "1.5", "1e3", "+1", " 1", "1_0", "0x1", "１", "NaN", "Infinity", "true",
    "null", str(2**63), str(10**30), "../..", "%2e%2e%2f", "[]", "{}", "\x00", "a\r\nB: c", LONG,
]  # fmt: skip
"""Likewise in every parameter of a query or header, and every field of a form."""


def every(question: Callable[[str, str, dict[str, Any]], object]) -> pytest.MarkDecorator:
    """Parametrise a test by the operations that it is about."""
    chosen = [each for each in OPERATIONS if question(*each)]
    ids = [f"{method} {path}" for method, path, _ in chosen]
    return pytest.mark.parametrize(("method", "path", "operation"), chosen, ids=ids)


def resolved(schema: Schema) -> Schema:
    """A schema behind its reference."""
    if "$ref" not in schema:
        return schema
    found: Schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def fits(schema: Schema, value: object) -> bool:
    whole = {**schema, "components": DOCUMENT["components"]}
    return bool(Draft202012Validator(whole).is_valid(value))


def body_schema(operation: Mapping[str, Any], media_type: str) -> Schema | None:
    content = operation.get("requestBody", {}).get("content", {})
    return None if media_type not in content else resolved(content[media_type]["schema"])


def json_schema(method: str, path: str, operation: dict[str, Any]) -> Schema | None:
    return body_schema(operation, "application/json")


def form_schema(method: str, path: str, operation: dict[str, Any]) -> Schema | None:
    return body_schema(operation, "multipart/form-data")


def parameters(operation: Mapping[str, Any], where: str) -> list[tuple[str, Schema]]:
    return [
        (each["name"], each["schema"])
        for each in operation.get("parameters", [])
        if each["in"] == where
    ]


def sound(schema: Schema) -> Any:
    """A value that fits a schema: the needed fields of an object, the first fitting candidate."""
    schema = resolved(schema)
    if schema.get("type") == "object" and "properties" in schema:
        needed = schema.get("required", [])
        return {name: sound(schema["properties"][name]) for name in needed}
    candidates = ["a", 1, "/nonexistent", ["a"], {"a": 1}, True, *schema.get("enum", [])]
    return next(value for value in candidates if fits(schema, value))


def wrong_fields(schema: Schema) -> Iterator[tuple[str, Any]]:
    """Bodies with one wrong field each, those of objects inside too, with the field's name."""
    schema = resolved(schema)
    for name, field in schema.get("properties", {}).items():
        for value in JSON_VALUES:
            if not fits(field, value):
                yield name, {**sound(schema), name: value}
        for option in (field, *field.get("anyOf", ())):
            inner = resolved(option)
            if inner.get("type") == "object" and "properties" in inner:
                for below, body in wrong_fields(inner):
                    yield below, {**sound(schema), name: body}
    for name in schema.get("required", []):
        yield name, {key: value for key, value in sound(schema).items() if key != name}
    yield "unknown", {**sound(schema), "unknown": 1}


def broken_bodies(body: Any) -> dict[str, tuple[bytes, dict[str, str]]]:
    """What is no JSON in UTF-8, or is not said to be, by what is wrong with it."""
    text = json.dumps(body)
    plain = {"Content-Type": "application/json"}
    inside = text.rstrip("}") + (", " if body else "")
    return {
        "truncated": (text[:-1].encode(), plain),
        "nested lists": (b"[" * DEEP + b"]" * DEEP, plain),
        "nested objects": (b'{"a":' * DEEP + b"1" + b"}" * DEEP, plain),
        "nested field": (f'{inside}"a": {"[" * DEEP}{"]" * DEEP}}}'.encode(), plain),
        "NaN": (f'{inside}"a": NaN}}'.encode(), plain),
        "Infinity": (f'{inside}"a": -Infinity}}'.encode(), plain),
        "too large": (f'{inside}"a": 1e999}}'.encode(), plain),
        "many digits": (f'{inside}"a": {"9" * 5000}}}'.encode(), plain),
        "twice": (f'{inside}"a": 1, "a": 2}}'.encode(), plain),
        "NUL": (f'{inside}"a": "\\u0000"}}'.encode(), plain),
        "lone surrogate": (f'{inside}"a": "\\ud800"}}'.encode(), plain),
        "after the end": (f"{text} {text}".encode(), plain),
        "comment": (f"{text} // yes".encode(), plain),
        "single quotes": (b"{'a': 1}", plain),
        "not UTF-8": (f'{inside}"a": "'.encode() + b'\xff\xfe"}', plain),
        "overlong UTF-8": (f'{inside}"a": "'.encode() + b'\xc0\xaf"}', plain),
        "byte order mark": (b"\xef\xbb\xbf" + text.encode(), plain),
        "UTF-16": (text.encode("utf-16"), plain),
        "said UTF-16": (
            text.encode("utf-16"), {"Content-Type": "application/json; charset=utf-16"},
        ),
        "UTF-32": (text.encode("utf-32-be"), plain),
        "gzip": (gzip.compress(text.encode()), {**plain, "Content-Encoding": "gzip"}),
        "no gzip": (text.encode(), {**plain, "Content-Encoding": "gzip"}),
        "unknown coding": (text.encode(), {**plain, "Content-Encoding": "br, x"}),
        "text": (text.encode(), {"Content-Type": "text/plain"}),
        "said a form": (text.encode(), {"Content-Type": "application/x-www-form-urlencoded"}),
        "said multipart": (text.encode(), {"Content-Type": "multipart/form-data; boundary=b"}),
        "not said": (text.encode(), {}),
    }  # fmt: skip


FILE_PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.nii.gz"\r\n\r\nx\r\n'
FORM = "multipart/form-data; boundary=b"


def part(head: bytes, content: bytes = b"x") -> bytes:
    return b"--b\r\n" + head + b"\r\n\r\n" + content + b"\r\n--b--\r\n"


BROKEN_FORMS: dict[str, tuple[bytes, dict[str, str]]] = {
    "other boundary": (FILE_PART + b"--b--\r\n", {"Content-Type": FORM[:-1] + "c"}),
    "no boundary": (FILE_PART + b"--b--\r\n", {"Content-Type": "multipart/form-data"}),
    "no final boundary": (FILE_PART, {"Content-Type": FORM}),
    "ends in a header": (FILE_PART + b"--b\r\nContent-Dispo", {"Content-Type": FORM}),
    "no file name": (
        part(b'Content-Disposition: form-data; name="file"'), {"Content-Type": FORM},
    ),
    "empty file name": (
        part(b'Content-Disposition: form-data; name="file"; filename=""'), {"Content-Type": FORM},
    ),
    "no name": (part(b'Content-Disposition: form-data; filename="a.nii.gz"'),
                {"Content-Type": FORM}),
    "no disposition": (part(b"X: y"), {"Content-Type": FORM}),
    "no header": (part(b""), {"Content-Type": FORM}),
    "NUL in the name": (
        part(b'Content-Disposition: form-data; name="file"; filename="a\x00.nii.gz"'),
        {"Content-Type": FORM},
    ),
    "path in the name": (
        part(b'Content-Disposition: form-data; name="file"; filename="../../a.nii.gz"'),
        {"Content-Type": FORM},
    ),
    "long name": (
        part(b'Content-Disposition: form-data; name="file"; filename="' + b"a" * 10_000 + b'"'),
        {"Content-Type": FORM},
    ),
    "not UTF-8": (
        part(b'Content-Disposition: form-data; name="annotator"', b"\xff\xfe"),
        {"Content-Type": FORM},
    ),
    "two files": (FILE_PART + FILE_PART + b"--b--\r\n", {"Content-Type": FORM}),
    "many parts": (
        b"".join(b'--b\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n1\r\n' % number
                 for number in range(2000)) + b"--b--\r\n",
        {"Content-Type": FORM},
    ),
    "empty": (b"", {"Content-Type": FORM}),
    "gzip": (
        gzip.compress(FILE_PART + b"--b--\r\n"),
        {"Content-Type": FORM, "Content-Encoding": "gzip"},
    ),
    "JSON": (b'{"annotator": "a"}', {"Content-Type": "application/json"}),
    "urlencoded": (b"annotator=a", {"Content-Type": "application/x-www-form-urlencoded"}),
    "not said": (FILE_PART + b"--b--\r\n", {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def here(
    serve: Callable[..., AbstractContextManager[Live]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Live, dict[str, Any]]]:
    """A server where everything is allowed, and a value for every part of a path."""
    folder = tmp_path_factory.mktemp("matrix")
    (folder / "plugins").mkdir()
    with serve(folder, plugin_folder=folder / "plugins", admin_token=ADMIN) as live:
        live.http.headers["Authorization"] = f"Bearer {ADMIN}"
        yield live, live.project(images=3).parts()


@pytest.fixture
def send(here: tuple[Live, dict[str, Any]]) -> Iterator[Callable[..., httpx.Response]]:
    """Sends what must be refused, and holds that it was, soon, in words, and without a trace."""
    live, parts = here

    def sends(
        method: str, path: str, *, what: object, instead: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        url = filled(path, parts, instead or {})
        query = more.pop("query", "")
        for attempt in (1, 2):
            answer: httpx.Response = live.http.request(method, url + query, **more)
            # This machine may have been busy with something else once.
            if answer.elapsed.total_seconds() < SECOND or attempt == 2:
                break
        assert answer.elapsed.total_seconds() < SECOND, what
        assert 400 <= answer.status_code < 500, (what, answer.status_code, answer.text[:500])
        assert answer.headers["Content-Type"] == "application/problem+json", what
        assert answer.json()["detail"], what
        return answer

    wait_until_idle(live)
    before = stored(live)
    yield sends
    wait_until_idle(live)
    after = stored(live)
    assert after.keys() == before.keys(), "files came or went"
    changed = [name for name in before if after[name] != before[name]]
    assert not changed


def filled(path: str, parts: Mapping[str, Any], instead: Mapping[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda part: instead.get(part[1], str(parts[part[1]])), path)


def wait_until_idle(live: Live) -> None:
    def is_idle() -> bool:
        with live.service.records.read() as tx:
            return not jobs.unfinished(tx)

    live.wait_for(is_idle)


def stored(live: Live) -> dict[str, str]:
    """All rows of all tables, and the contents of all files that are no database and no log."""
    with live.service.records.read() as tx:
        found = {
            table.name: repr(sorted(map(repr, tx.execute(select(table)).all())))
            for table in metadata.sorted_tables
        }
    logs = live.service.settings.home / "logs"
    for path in sorted(live.folder.rglob("*")):
        if path.is_file() and ".sqlite" not in path.name and not path.is_relative_to(logs):
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@every(lambda method, path, operation: parameters(operation, "path"))
def test_a_path_that_names_nothing(
    send: Callable[..., httpx.Response], method: str, path: str, operation: dict[str, Any]
) -> None:
    for name, schema in parameters(operation, "path"):
        for text in [*TEXTS, "%FF"]:
            if text and text != "a" and not fits(schema, text):
                encoded = text if text == "%FF" else quote(text, safe="")
                answer = send(method, path, what=(name, text), instead={name: encoded})
                assert answer.status_code in {404, 405, 414}, (name, text, answer.status_code)


@every(lambda method, path, operation: parameters(operation, "query"))
def test_a_query_that_breaks_the_description(
    send: Callable[..., httpx.Response], method: str, path: str, operation: dict[str, Any]
) -> None:
    others = "".join(
        f"&{each['name']}=a" for each in operation["parameters"] if each.get("required")
    )
    for name, schema in parameters(operation, "query"):
        for text in TEXTS:
            if not any(fits(schema, value) for value in readings(text)):
                send(method, path, what=(name, text), query=f"?{name}={quote(text, safe='')}")
        send(method, path, what=f"{name} not UTF-8", query=f"?{name}=%ff%fe{others}")
        send(method, path, what=f"{name} twice", query=f"?{name}=1&{name}=1")
    send(method, path, what="unknown", query=f"?unknown=1{others}")


def readings(text: str) -> list[Any]:
    """What a text in a query or form can stand for."""
    found: list[Any] = [text]
    if re.fullmatch(r"[+-]?\d+(\.\d+)?(e\d+)?", text.strip().replace("_", "")):
        found.append(float(text.strip()))
    return found


@every(lambda method, path, operation: parameters(operation, "header"))
def test_a_header_that_breaks_the_description(
    send: Callable[..., httpx.Response], method: str, path: str, operation: dict[str, Any]
) -> None:
    body = sound_request(operation)
    for name, schema in parameters(operation, "header"):
        for text in TEXTS:
            # What a client's library does not even send is for test_server.py.
            can_be_sent = text == text.strip() != "" and not set("\r\n\x00") & set(text)
            if can_be_sent and not fits(schema, text):
                headers = [(name.encode(), text.encode())]
                send(method, path, what=(name, text), headers=headers, **body)


def sound_request(operation: Mapping[str, Any]) -> dict[str, Any]:
    """A body that fits the description, as an HTTP client takes it."""
    wanted = body_schema(operation, "application/json")
    if wanted is not None:
        return {"json": sound(wanted)}
    wanted = body_schema(operation, "multipart/form-data")
    return {} if wanted is None else sound_form(wanted)


def sound_form(schema: Schema) -> dict[str, Any]:
    """A form that fits its description, as an HTTP client takes it."""
    fields = {name: value for name, value in sound(schema).items() if name != "file"}
    return {"data": fields, "files": {"file": ("a.nii.gz", b"x")}}


@every(json_schema)
def test_a_field_that_breaks_the_description(
    send: Callable[..., httpx.Response], method: str, path: str, operation: dict[str, Any]
) -> None:
    schema = json_schema(method, path, operation)
    assert schema is not None
    for name, body in wrong_fields(schema):
        answer = send(method, path, what=(name, str(body)[:200]), json=body)
        assert answer.status_code in {400, 422}, (name, str(body)[:200], answer.status_code)
        told = [answer.json()["detail"], *answer.json().get("problems", [])]
        assert any(name in each for each in told), (name, str(body)[:200], told)
    for whole in (None, True, 1, "a", [], [sound(schema)]):
        send(method, path, what=whole, content=json.dumps(whole), headers=JSON_HEADERS)


JSON_HEADERS = {"Content-Type": "application/json"}


@every(json_schema)
def test_a_body_that_is_no_sound_json(
    send: Callable[..., httpx.Response], method: str, path: str, operation: dict[str, Any]
) -> None:
    schema = json_schema(method, path, operation)
    assert schema is not None
    for what, (content, headers) in broken_bodies(sound(schema)).items():
        answer = send(method, path, what=what, content=content, headers=headers)
        assert answer.status_code in {400, 413, 415, 422}, what


@every(form_schema)
def test_a_form_field_that_breaks_the_description(
    send: Callable[..., httpx.Response], method: str, path: str, operation: dict[str, Any]
) -> None:
    schema = form_schema(method, path, operation)
    assert schema is not None
    request = sound_form(schema)
    for name, field in schema["properties"].items():
        for text in TEXTS if name != "file" else ():
            if text and not any(fits(field, value) for value in readings(text)):
                changed = deepcopy(request)
                changed["data"][name] = text
                answer = send(method, path, what=(name, text), **changed)
                told = [answer.json()["detail"], *answer.json().get("problems", [])]
                assert any(name in each for each in told), (name, text, told)
    request["data"]["unknown"] = "1"
    send(method, path, what="unknown", **request)


@every(form_schema)
def test_a_form_that_is_broken(
    send: Callable[..., httpx.Response], method: str, path: str, operation: dict[str, Any]
) -> None:
    for what, (content, headers) in BROKEN_FORMS.items():
        answer = send(method, path, what=what, content=content, headers=headers)
        assert answer.status_code in {400, 413, 415, 422}, (what, answer.status_code)


@every(
    lambda method, path, operation: (
        "requestBody" not in operation
        and "Idempotency-Key" in dict(parameters(operation, "header"))
    )
)
def test_a_broken_form_under_a_key_where_no_form_is_wanted(
    send: Callable[..., httpx.Response], method: str, path: str, operation: dict[str, Any]
) -> None:
    for what in ("no name", "no boundary", "no final boundary", "ends in a header"):
        content, headers = BROKEN_FORMS[what]
        keyed = {**headers, "Idempotency-Key": what}
        assert send(method, path, what=what, content=content, headers=keyed).status_code == 400


@every(lambda method, path, operation: True)
def test_a_target_or_header_that_is_too_long(
    send: Callable[..., httpx.Response], method: str, path: str, operation: dict[str, Any]
) -> None:
    body = sound_request(operation)
    assert send(method, path, what="query", query=f"?a={LONG}", **body).status_code == 414
    headers = {"X-Anything": "x" * (1 << 17)}
    answer = send(method, path, what="header", headers=headers, **body)
    assert answer.status_code == 431


def test_the_matrix_has_every_route() -> None:
    assert len(OPERATIONS) > 40
    assert sum(json_schema(*each) is not None for each in OPERATIONS) > 6
    assert sum(form_schema(*each) is not None for each in OPERATIONS) == 2
    for method, path, operation in OPERATIONS:
        known = {"application/json", "multipart/form-data"}
        sent = set(operation.get("requestBody", {}).get("content", {}))
        assert sent <= known, f"{method} {path} takes {sent - known}, which nothing here breaks"
        places = {each["in"] for each in operation.get("parameters", [])}
        assert places <= {"path", "query", "header"}


def test_a_snapshot_sees_every_change(here: tuple[Live, dict[str, Any]], tmp_path: Path) -> None:
    live, parts = here
    before = stored(live)
    live.http.patch(
        f"/api/v1/projects/{parts['project']}", json={"title": "another"}
    ).raise_for_status()
    after = stored(live)
    assert {name for name in after if after[name] != before.get(name)} == {"projects", "audit"}
