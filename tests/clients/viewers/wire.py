"""Requests as bytes over a socket, and answers as the server wrote them."""

from __future__ import annotations

import email
import email.policy
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: HTTPMessage
    body: bytes

    def json(self) -> Any:
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)

    def form(self) -> tuple[dict[str, Any], bytes, str]:
        """Return the `params`, the file and its name, of an answer that is a form of both."""
        kind = self.headers["Content-Type"]
        assert kind.startswith("multipart/form-data; boundary=")
        head = f"Content-Type: {kind}\r\n\r\n".encode()
        whole = email.message_from_bytes(head + self.body, policy=email.policy.HTTP)
        params, file = whole.iter_parts()
        assert params.get_param("name", header="Content-Disposition") == "params"
        assert params.get_filename() is None
        assert file.get_param("name", header="Content-Disposition") == "image"
        name = file.get_filename()
        assert name is not None
        assert "/" not in name
        # By hand: what follows is bytes, whatever the parser makes of them.
        boundary = kind.partition("boundary=")[2].encode()
        content = self.body.split(b"--" + boundary)[2].split(b"\r\n\r\n", 1)[1]
        return json.loads(params.get_content()), content.removesuffix(b"\r\n"), name


def place(url: str) -> tuple[str, str]:
    """Return the host and the path of a server's address."""
    parts = urlsplit(url)
    return parts.netloc, parts.path.rstrip("/")


def request(start: str, headers: Sequence[tuple[str, str]], body: bytes = b"") -> bytes:
    """Write a request: its first line without the version, its headers in their order, its body."""
    lines = [f"{start} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def exchange(url: str, sent: bytes) -> Answer:
    """Send bytes to a server, and read one answer."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 80), TIMEOUT_S) as connection:
        connection.sendall(sent)
        answer = HTTPResponse(connection, method=sent.split(b" ", 1)[0].decode())
        answer.begin()
        # Clients that hand the connection to a parser of their own see what is on the wire.
        assert not answer.chunked or "multipart" not in answer.headers["Content-Type"]
        return Answer(answer.status, answer.headers, answer.read())
