"""Requests as QuPath writes them: Java's HttpClient, HTTP/1.1, JSON that is not said to be JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.clients.viewers import wire

BOUNDARY = "289114827351126431730384016593462378914"


def bare(url: str, method: str, path: str) -> bytes:
    """A request without a body; it says so, with whatever method."""
    return _request(url, method, path, b"")


def with_json(url: str, method: str, path: str, body: Mapping[str, Any]) -> bytes:
    return _request(url, method, path, json.dumps(body).encode())


def with_form(
    url: str,
    method: str,
    path: str,
    files: Mapping[str, tuple[str, str | None, bytes]],
    fields: Mapping[str, str],
) -> bytes:
    """A form: files first, and no line break behind its last boundary.

    Args:
        url: Of the server.
        method: Of the request.
        path: Of the request, with its query.
        files: By field: name, media type or None where Java knows none, and content.
        fields: Texts.
    """
    pieces = []
    for field, (name, kind, content) in files.items():
        pieces += [
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
            f"Content-Type: {kind or 'null'}\r\n\r\n".encode(),
            content,
            b"\r\n",
        ]
    for field, text in fields.items():
        pieces.append(
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n'
            f"{text}\r\n".encode()
        )
    pieces.append(f"--{BOUNDARY}--".encode())
    return _request(
        url, method, path, b"".join(pieces), f"multipart/form-data; boundary={BOUNDARY}"
    )


def _request(url: str, method: str, path: str, body: bytes, kind: str = "") -> bytes:
    host, root = wire.place(url)
    headers = [
        ("Content-Length", str(len(body))),
        ("Host", host),
        ("User-Agent", "Java-http-client/17.0.11"),
    ]
    if kind:
        headers.append(("Content-Type", kind))
    return wire.request(f"{method} {root}{path}", headers, body)
