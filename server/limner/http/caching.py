"""Files as answers: ETag, If-None-Match, Range, and a name to save them under."""

from __future__ import annotations

import io
from pathlib import Path

from flask import Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.http import is_resource_modified, quote_etag
from werkzeug.utils import send_file

from limner.errors import NotFound


def file_answer(
    content: Path | bytes,
    *,
    media_type: str,
    name: str,
    etag: str,
    headers: dict[str, str] | None = None,
    revalidate: bool = True,
) -> Response:
    """Answer with a file: whole (200), a part (206), nothing new (304) or no such part (416).

    Args:
        content: The file, or its bytes.
        media_type: Its media type.
        name: What a browser saves it as; quoted and encoded as RFC 6266 asks.
        etag: A strong validator: another content has another one.
        headers: Further headers.
        revalidate: Whether the content behind this URL may change; False lets clients keep it.

    Raises:
        NotFound: The file is gone.
    """
    try:
        answer = send_file(
            io.BytesIO(content) if isinstance(content, bytes) else content,
            request.environ,
            mimetype=media_type,
            as_attachment=True,
            download_name=name,
            conditional=False,
            etag=False,
            response_class=Response,
        )
    except FileNotFoundError:
        raise NotFound(f"The file of {name} is gone from the disk.") from None
    assert isinstance(answer, Response)  # noqa: S101  (response_class says so; for the type checker)
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    # Set at once: quoting twice would change it.
    answer.headers["ETag"] = quote_etag(etag)
    answer.headers["Cache-Control"] = (
        "private, no-cache" if revalidate else "private, max-age=31536000, immutable"
    )
    answer.headers["X-Content-Type-Options"] = "nosniff"
    # It depends on who asks and in which format.
    answer.headers["Vary"] = "Accept, Authorization"
    for header, value in (headers or {}).items():
        answer.headers[header] = value
    _condition(answer, size)
    return answer


def _condition(answer: Response, size: int) -> None:
    """Cut an answer to what the client lacks; `If-None-Match` goes before `Range` (RFC 9110)."""
    if request.method not in {"GET", "HEAD"}:
        return
    etag = answer.headers["ETag"]
    if request.if_none_match.to_header() and not is_resource_modified(request.environ, etag):
        answer.status_code = 304
        return
    try:
        answer.make_conditional(request.environ, accept_ranges=True, complete_length=size)
    except RequestedRangeNotSatisfiable:
        answer.close()
        raise
