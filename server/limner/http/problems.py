"""Problem details (RFC 9457): the one shape of every error that a client sees."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from flask import Response, request

from limner.http import request_ids

MEDIA_TYPE = "application/problem+json"
MAX_PROBLEMS = 50
MAX_TEXT = 2000


def problem_body(
    *,
    status: int,
    title: str = "",
    detail: str = "",
    kind: str = "about:blank",
    instance: str = "",
    problems: Sequence[str] = (),
) -> bytes:
    """Write a problem as JSON; long texts are cut, what is not Unicode is replaced."""
    document: dict[str, Any] = {
        "type": kind,
        "title": title or phrase(status),
        "status": status,
        "detail": _text(detail),
        "instance": instance,
        "request_id": request_ids.current.get(),
    }
    if problems:
        document["problems"] = [_text(each) for each in problems[:MAX_PROBLEMS]]
    return json.dumps(document, ensure_ascii=False).encode()


def problem_response(
    *,
    status: int,
    title: str = "",
    detail: str = "",
    kind: str = "about:blank",
    problems: Sequence[str] = (),
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
) -> Response:
    """Answer the current request with a problem."""
    body = problem_body(
        status=status,
        title=title,
        detail=detail,
        kind=kind,
        instance=quote(request.path[:500], safe="/:@!$&'()*+,;=~"),
        problems=problems,
    )
    response = Response(body, status=status, content_type=MEDIA_TYPE)
    response.headers.extend(dict(headers))
    response.headers["Cache-Control"] = "no-store"
    return response


def phrase(status: int) -> str:
    """Name a status in the words of its registration, such as `Not Found`."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _text(text: str) -> str:
    whole = text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + " …"
    return whole.encode("utf-8", "replace").decode()
