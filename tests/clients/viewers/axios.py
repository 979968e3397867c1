"""Requests as OHIF's extension has a browser write them: axios on a page of another port."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.clients.viewers import wire

ORIGIN = "http://127.0.0.1:3000"
BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW1"
ACCEPTED = "application/json, multipart/form-data"


def bare(url: str, method: str, path: str, origin: str = ORIGIN) -> bytes:
    """A request without a body."""
    return _request(url, method, path, [("Accept", "application/json, text/plain, */*")], origin)


def preflight(url: str, method: str, path: str, headers: str, origin: str = ORIGIN) -> bytes:
    """What a browser asks before it asks: whether this page may."""
    asked = [
        ("Accept", "*/*"),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", headers),
    ]
    return _request(url, "OPTIONS", path, asked, origin)


def with_json(
    url: str, method: str, path: str, body: Mapping[str, Any], origin: str = ORIGIN
) -> bytes:
    content = json.dumps(body).encode()
    headers = [("Accept", ACCEPTED), ("Content-Type", "application/json")]
    return _request(url, method, path, headers, origin, content)


def with_form(
    url: str,
    method: str,
    path: str,
    params: Mapping[str, Any],
    file: tuple[str, str, bytes] | None = None,
    origin: str = ORIGIN,
) -> bytes:
    """A form of `params`, and of a file where one is given: field, name and content."""
    pieces = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="params"\r\n\r\n'
        f"{json.dumps(params)}\r\n".encode()
    ]
    if file is not None:
        field, name, content = file
        pieces += [
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode(),
            content,
            b"\r\n",
        ]
    pieces.append(f"--{BOUNDARY}--\r\n".encode())
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    headers = [("Accept", ACCEPTED), ("Content-Type", kind)]
    return _request(url, method, path, headers, origin, b"".join(pieces))


def _request(
    url: str,
    method: str,
    path: str,
    more: list[tuple[str, str]],
    origin: str,
    body: bytes = b"",
) -> bytes:
    host, root = wire.place(url)
    headers = [("Host", host), ("Connection", "keep-alive")]
    if body:
        headers.append(("Content-Length", str(len(body))))
    headers += [
        *more,
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/126.0.0.0 Safari/537.36"),
        ("Origin", origin),
        ("Sec-Fetch-Site", "same-site" if origin == ORIGIN else "cross-site"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Dest", "empty"),
        ("Referer", f"{origin}/"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", "en-US,en;q=0.9"),
    ]
    return wire.request(f"{method} {root}{path}", headers, body)
