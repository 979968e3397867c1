"""How the dialect answers: JSON, files under a quoted name, and a form of parameters and a file."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask import Response

from limner.http.caching import file_answer


def json_answer(value: Any, status: int = 200) -> Response:
    """Answer with a value as JSON."""
    return Response(
        json.dumps(value, ensure_ascii=False, allow_nan=False),
        status=status,
        content_type="application/json",
    )


def detail_answer(detail: str, status: int) -> Response:
    """Answer an error as the original does: `{"detail": …}`."""
    answer = json_answer({"detail": detail}, status)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def sent_as(name: str) -> str:
    """Guess the media type of a file by its name; `.nii.gz` is plain bytes to every client."""
    if name.lower().endswith((".nrrd", ".nii", ".mha", ".dcm")):
        return "application/octet-stream"
    guessed, encoding = mimetypes.guess_type(name)
    return "application/octet-stream" if guessed is None or encoding else guessed


def disposition(name: str) -> str:
    """Name a download. Clients look for the quotes, and know the other form for other letters.

    Example:
        >>> disposition("a b.nii.gz"), disposition("ä.png")
        ('attachment; filename="a b.nii.gz"', "attachment; filename*=utf-8''%C3%A4.png")
    """
    is_plain = name.isascii() and name.isprintable() and not set(name) & set('"\\%')
    if is_plain:
        return f'attachment; filename="{name}"'
    return f"attachment; filename*=utf-8''{quote(name, safe='')}"


def download(content: Path | bytes, name: str, *, etag: str | None = None) -> Response:
    """Answer with a file to be saved under a name.

    Raises:
        NotFound: The file is gone.
    """
    if etag is None:
        etag = _digest(content)
    answer = file_answer(content, media_type=sent_as(name), name="file", etag=etag)
    answer.headers["Content-Disposition"] = disposition(name)
    return answer


def form_answer(params: Mapping[str, Any], content: bytes, name: str) -> Response:
    """Answer with a form of two parts: `params` as JSON, then the file as `image`.

    It always says its length: clients hand the connection itself to a parser of forms.
    """
    boundary = secrets.token_hex(16)
    document = json.dumps(params, allow_nan=False).encode()
    body = b"".join(
        (
            f"--{boundary}\r\n".encode(),
            b'Content-Disposition: form-data; name="params"\r\n',
            b"Content-Type: application/json\r\n\r\n",
            document,
            f"\r\n--{boundary}\r\n".encode(),
            f'Content-Disposition: form-data; name="image"; filename="{name}"\r\n'.encode(),
            f"Content-Type: {sent_as(name)}\r\n\r\n".encode(),
            content,
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )
    return Response(body, content_type=f"multipart/form-data; boundary={boundary}")


def _digest(content: Path | bytes) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    try:
        status = content.stat()
    except OSError:
        return "gone"  # whoever opens it says so
    return f"{status.st_mtime_ns:x}-{status.st_ctime_ns:x}-{status.st_size:x}"
