"""Structured logs: one JSON object a line, with the request's id.

A request is logged by its route's template and the numbers in it: never by its path, query, headers
or body, which may hold tokens and patients' names.
"""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import IO, Any

from flask import Flask, Response, g, request

from limner.http import request_ids

log = logging.getLogger("limner.http.requests")

_FIELDS = "limner_fields"


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Write time (RFC 3339), level, logger, message, request id and further fields."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := request_ids.current.get():
            line["request_id"] = request_id
        line.update(getattr(record, _FIELDS, {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def json_handler(stream: IO[str] | None = None, *, path: str | None = None) -> logging.Handler:
    """Make a handler that writes JSON lines to a file, or to a stream (standard error)."""
    handler: logging.Handler = (
        logging.FileHandler(path, encoding="utf-8")
        if path is not None
        else logging.StreamHandler(stream)
    )
    handler.setFormatter(JsonFormatter())
    return handler


def register(app: Flask) -> None:
    """Give every request of an application an id and a line in the log."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    g.started = time.perf_counter()
    request_ids.take(request.headers.get(request_ids.HEADER))


def _end(response: Response) -> Response:
    response.headers[request_ids.HEADER] = request_ids.current.get()
    if log.isEnabledFor(logging.INFO):
        fields = {
            "method": request.method[:16],
            "route": route_template(),
            "ids": {
                name: value
                for name, value in (request.view_args or {}).items()
                if isinstance(value, int)
            },
            "status": response.status_code,
            "ms": round((time.perf_counter() - g.started) * 1000, 2),
        }
        log.info("request", extra={_FIELDS: fields})
    return response


def route_template() -> str:
    """Return the rule that matched, such as `/api/v1/jobs/<id:job>`, or `unmatched`."""
    return request.url_rule.rule if request.url_rule is not None else "unmatched"
