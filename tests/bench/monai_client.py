"""A client of MONAI Label, for benchmarks: `http.client` as the real one uses it, and its forms."""

from __future__ import annotations

import http.client
import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one request."""

    body: bytes
    kind: str

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Asks over one connection that is kept, or over a new one each time, as the real client."""

    def __init__(self, url: str, *, keeps: bool) -> None:
        self._place, self._keeps = urlsplit(url).netloc, keeps
        self._kept: http.client.HTTPConnection | None = None

    def ask(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> Answer:
        """Send a request and read the whole answer; any but a good one ends the benchmark."""
        connection = self._kept or http.client.HTTPConnection(self._place, timeout=300)
        self._kept = connection if self._keeps else None
        connection.request(method, path, body, {} if body is None else {"Content-Type": kind})
        response = connection.getresponse()
        content = response.read()
        if not self._keeps:
            connection.close()
        if response.status != 200:
            raise SystemExit(f"{method} {path}: {response.status} {content[:500]!r}")
        return Answer(content, response.headers.get_content_type())

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()


def form(params: dict[str, Any], part: str, name: str, content: bytes) -> tuple[bytes, str]:
    """Build a form of parameters and a file; return it with its content type."""
    line = secrets.token_hex(8)
    body = b"".join(
        (
            f'--{line}\r\nContent-Disposition: form-data; name="params"\r\n\r\n'.encode(),
            json.dumps(params).encode(),
            f'\r\n--{line}\r\nContent-Disposition: form-data; name="{part}"; '
            f'filename="{name}"\r\nContent-Type: application/octet-stream\r\n\r\n'.encode(),
            content,
            f"\r\n--{line}--\r\n".encode(),
        )
    )
    return body, f"multipart/form-data; boundary={line}"
