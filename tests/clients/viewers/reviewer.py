"""Requests as 3D Slicer's reviewer writes them: the library `requests`, without a token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tests.clients.viewers import wire

BOUNDARY = "5b1c0a3e9d2f47c6a8e1f0b3d4c5e6f7"


def bare(url: str, method: str, path: str) -> bytes:
    """A request without a body. An address without a path is asked for as it is, or as `/`."""
    return _request(url, method, path)


def with_params(url: str, path: str, params: Mapping[str, Any]) -> bytes:
    """Notes on a label: JSON in a field of a form that is no multipart form."""
    body = urlencode({"params": json.dumps(params)}).encode()
    headers = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("accept", "application/json"),
    ]
    return _request(url, "PUT", path, headers, body)


def with_label(url: str, path: str, params: Mapping[str, Any], name: str, label: bytes) -> bytes:
    """A label: `params` first, then the file, of which no media type is said."""
    body = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="params"\r\n\r\n'
        f"{json.dumps(params)}\r\n"
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="label"; filename="{name}"\r\n\r\n'
    ).encode() + label
    body += f"\r\n--{BOUNDARY}--\r\n".encode()
    headers = [("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")]
    return _request(url, "PUT", path, headers, body)


def session(url: str, name: str, content: bytes, client_id: str) -> bytes:
    """A session, which the Python client makes by way of this library."""
    body = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="client_id"\r\n\r\n{client_id}\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    ).encode() + content
    body += f"\r\n--{BOUNDARY}--\r\n".encode()
    headers = [("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")]
    return _request(url, "PUT", "/session/", headers, body)


def _request(
    url: str,
    method: str,
    path: str,
    more: list[tuple[str, str]] | None = None,
    body: bytes = b"",
) -> bytes:
    host, root = wire.place(url)
    headers = [
        ("Host", host),
        ("User-Agent", "python-requests/2.31.0"),
        ("Accept-Encoding", "gzip, deflate"),
        ("Accept", "*/*"),
        ("Connection", "keep-alive"),
        *(more or []),
    ]
    if body or method == "DELETE":
        headers.append(("Content-Length", str(len(body))))
    return wire.request(f"{method} {root + path or '/'}", headers, body)
