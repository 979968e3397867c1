"""What a request says, turned into shapes: path, query, JSON body and multipart form.

`flask-openapi3` documents the shapes; they are checked here, because it makes a JSON schema anew at
every request with a query, and takes broken JSON for null.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar
from urllib.parse import unquote_to_bytes

from flask import request
from pydantic import BaseModel, ValidationError
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from limner.errors import InvalidRequest
from limner.http.json_text import MAX_BYTES, check_json

S = TypeVar("S", bound=BaseModel)

_CHUNK = 1 << 20


def path_shape(shape: type[S], parts: Mapping[str, Any]) -> S:
    """Read what the route's converters found."""
    return shape.model_validate(parts)


def query_shape(shape: type[S]) -> S:
    """Read the query; names that the route does not know are refused."""
    try:
        unquote_to_bytes(request.query_string).decode()
    except UnicodeDecodeError:
        raise BadRequest("The query is not UTF-8.") from None
    return _validated(shape, _single(request.args, "query"), "The query")


def body_shape(shape: type[S]) -> S:
    """Read a JSON body. None at all counts as `{}`: fields may be missing, types are strict.

    Raises:
        BadRequest: Not JSON.
        UnsupportedMediaType: Said to be something else, or compressed.
        InvalidRequest: JSON, but not of this shape.
        RequestEntityTooLarge: Over 1 MiB.
    """
    _check_coding()
    if (request.content_length or 0) > MAX_BYTES:
        raise RequestEntityTooLarge(f"A JSON body has at most {MAX_BYTES} bytes.")
    raw = request.get_data(cache=True, parse_form_data=False) or b""
    if raw and not request.is_json:
        raise UnsupportedMediaType("Send a JSON body with Content-Type: application/json.")
    if len(raw) > MAX_BYTES:
        raise RequestEntityTooLarge(f"A JSON body has at most {MAX_BYTES} bytes.")
    raw = raw or b"{}"
    try:
        check_json(raw)
        return shape.model_validate_json(raw, strict=True)
    except ValidationError as error:
        if any(each["type"] == "json_invalid" for each in error.errors()):
            raise BadRequest("The body is not JSON.") from None
        _refuse(error, "The body")
    except ValueError as error:
        raise BadRequest(str(error)) from None


def form_shape(shape: type[S]) -> S:
    """Read a multipart form; files are spooled to disk above 512 kB.

    Raises:
        UnsupportedMediaType: The body is not multipart/form-data, or compressed.
        BadRequest: It is broken.
        InvalidRequest: It is sound, but not of this shape.
    """
    _check_coding()
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType("Send a form with Content-Type: multipart/form-data.")
    # An empty field of a form is one that was not filled in.
    values: dict[str, Any] = {k: v for k, v in _single(request.form, "form").items() if v != ""}
    for name, file in _single(request.files, "form").items():
        if name in values:
            raise InvalidRequest(f"The form has {name!r} twice; give it once.")
        if file.filename:
            values[name] = file
    return _validated(shape, values, "The form")


def _check_coding() -> None:
    """Refuse a body that says that it is compressed: it would be read as something else."""
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in {"", "identity"}:
        raise UnsupportedMediaType(
            f"A body with Content-Encoding: {_short(coding, quoted=False)} is not read; send it as "
            "it is."
        )


def request_digest() -> str:
    """SHA-256 of what this request asks; parts of a form count, not the boundary between them."""
    digest = hashlib.sha256()
    if request.mimetype != "multipart/form-data":
        digest.update(request.get_data(cache=True, parse_form_data=False) or b"")
        return digest.hexdigest()
    for name, text in sorted(request.form.items(multi=True)):
        digest.update(repr((name, text)).encode())
    for name, file in sorted(request.files.items(multi=True), key=lambda pair: pair[0]):
        digest.update(repr((name, file.filename)).encode())
        digest.update(_file_digest(file))
    return digest.hexdigest()


def _file_digest(file: FileStorage) -> bytes:
    digest = hashlib.sha256()
    while chunk := file.stream.read(_CHUNK):
        digest.update(chunk)
    file.stream.seek(0)
    return digest.digest()


def _single(values: MultiDict[str, Any], where: str) -> dict[str, Any]:
    for name, given in values.lists():
        if len(given) > 1:
            raise InvalidRequest(
                f"The {where} has {_short(name)} {len(given)} times; give it once."
            )
        if "\ufffd" in name or (isinstance(given[0], str) and "\ufffd" in given[0]):
            # What is not UTF-8 arrives as this sign.
            raise BadRequest(f"The {where} is not UTF-8.")
    return values.to_dict()


def _validated(shape: type[S], values: Mapping[str, Any], what: str) -> S:
    try:
        return shape.model_validate(values)
    except ValidationError as error:
        _refuse(error, what)


def _refuse(error: ValidationError, what: str) -> NoReturn:
    problems = [
        f"{'.'.join(_short(part, quoted=False) for part in each['loc']) or 'all of it'}: "
        f"{each['msg']}{_given(each)}"
        for each in error.errors(include_url=False, include_context=False)
    ]
    raise InvalidRequest(f"{what} cannot be used: {'; '.join(problems[:3])}.", problems=problems)


def _given(error: Any) -> str:
    value = error.get("input")
    if error["type"] == "missing" or not isinstance(value, str | int | float):
        return ""
    return f", got {_short(value)}"


def _short(value: object, *, quoted: bool = True) -> str:
    text = repr(value) if quoted else str(value)
    return text if len(text) <= 80 else text[:80] + "…"
