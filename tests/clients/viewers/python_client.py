"""Requests as the Python client writes them: 3D Slicer, CVAT's functions, DSA and CellProfiler."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.clients.viewers import wire

LIMIT = "----------lImIt_of_THE_fIle_eW_$"


def bare(url: str, method: str, path: str) -> bytes:
    """A request without a body."""
    return _request(url, method, path)


def with_json(url: str, method: str, path: str, body: Mapping[str, Any]) -> bytes:
    return _request(url, method, path, "application/json", json.dumps(body).encode())


def with_form(
    url: str,
    method: str,
    path: str,
    params: Mapping[str, Any],
    files: Mapping[str, Path | str] | None = None,
    contents: Mapping[str, bytes] | None = None,
) -> bytes:
    """A form of `params` and files, named by their whole paths; one line break too many ends it.

    Args:
        url: Of the server.
        method: Of the request.
        path: Of the request, with its query.
        params: Become JSON.
        files: Their paths, by the names of their fields.
        contents: What they hold, where a path is not one of this machine.
    """
    pieces = [f'--{LIMIT}\r\nContent-Disposition: form-data; name="params"\r\n\r\n'.encode()]
    pieces.append(json.dumps(params).encode() + b"\r\n")
    for name, file in (files or {}).items():
        kind = mimetypes.guess_type(str(file))[0] or "application/octet-stream"
        pieces.append(
            f'--{LIMIT}\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\n'
            f"Content-Type: {kind}\r\n\r\n".encode()
        )
        pieces.append((contents or {}).get(name) or Path(file).read_bytes())
        pieces.append(b"\r\n")
    pieces.append(f"--{LIMIT}--\r\n\r\n".encode())
    return _request(url, method, path, f"multipart/form-data; boundary={LIMIT}", b"".join(pieces))


def downloaded_by_slicer(url: str, path: str) -> bytes:
    """A download of 3D Slicer, which is by `urllib` and not by the client: never with a token."""
    host, root = wire.place(url)
    headers = [
        ("Accept-Encoding", "identity"),
        ("Host", host),
        ("User-Agent", "Python-urllib/3.9"),
        ("Connection", "close"),
    ]
    return wire.request(f"GET {root}{path}", headers)


def _request(url: str, method: str, path: str, kind: str = "", body: bytes = b"") -> bytes:
    host, root = wire.place(url)
    headers = [("Host", host), ("Accept-Encoding", "identity")]
    if kind:
        headers += [("content-type", kind), ("content-length", str(len(body)))]
    return wire.request(f"{method} {root}{path}", headers, body)
