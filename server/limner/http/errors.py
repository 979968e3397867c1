"""Which exception becomes which problem: one table, and the handlers that read it."""

from __future__ import annotations

import errno
import logging
import os
import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect
from werkzeug.wrappers import Response as WsgiResponse

from limner import errors
from limner.http.problems import problem_response
from limner.stores.durable import FULL

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """How one class of exceptions is answered."""

    status: int
    title: str
    retry_after_s: int | None = None
    """Seconds after which asking again makes sense; None where it does not."""


KINDS: Mapping[type[errors.LimnerError], Kind] = {
    errors.LimnerError: Kind(500, "The server could not do it"),
    errors.PluginError: Kind(422, "A plugin cannot do what was asked"),
    errors.UnsuitableInput: Kind(422, "A plugin cannot take this input"),
    errors.Stopped: Kind(503, "The work was stopped", retry_after_s=5),
    errors.InvalidRequest: Kind(422, "A value cannot be used"),
    errors.ImageError: Kind(422, "A file cannot be used"),
    errors.UnreadableImage: Kind(422, "A file cannot be read"),
    errors.UnsupportedFormat: Kind(415, "A format is not supported"),
    errors.ImageTooLarge: Kind(413, "An image is too large"),
    errors.GeometryMismatch: Kind(422, "A label does not lie on its image"),
    errors.InvalidLabelValues: Kind(422, "A label holds unknown values"),
    errors.PayloadTooLarge: Kind(413, "The request is too large"),
    errors.NotFound: Kind(404, "There is no such thing"),
    errors.Conflict: Kind(409, "The present state does not allow it"),
    errors.NoModel: Kind(409, "No model serves yet"),
    errors.Unauthorised: Kind(401, "A valid token is needed"),
    errors.SettingsError: Kind(422, "Settings cannot be used"),
    errors.StorageFull: Kind(507, "The disk is full"),
    errors.RecordsBusy: Kind(503, "The database is busy", retry_after_s=1),
    errors.RecordsDamaged: Kind(500, "The database cannot be used"),
    errors.EngineError: Kind(500, "Heavy work failed"),
    errors.WorkerDied: Kind(503, "A worker process died", retry_after_s=5),
    errors.WorkerTimeout: Kind(504, "A worker did not answer in time"),
    errors.WorkerOutOfMemory: Kind(503, "A worker ran out of memory"),
    errors.EngineBusy: Kind(503, "Too much work is waiting", retry_after_s=2),
    errors.PluginFailed: Kind(502, "A plugin failed"),
}
"""Every class of `limner.errors` is here: a test holds it."""

_BAD_NAME = {errno.ENAMETOOLONG, errno.ELOOP}


def slug(error: type[errors.LimnerError]) -> str:
    """Name a class in a problem's type: `NoModel` is `no-model`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", error.__name__).lower()


def kind_of(error: type[errors.LimnerError]) -> tuple[type[errors.LimnerError], Kind]:
    """Find a class in the table, or the nearest of its bases."""
    known = next(each for each in error.__mro__ if each in KINDS)
    return known, KINDS[known]


def register(app: Flask) -> None:
    """Make an application answer every exception with a problem."""
    app.register_error_handler(errors.LimnerError, answer_known)
    app.register_error_handler(HTTPException, answer_http)
    app.register_error_handler(OSError, answer_system)
    app.register_error_handler(Exception, answer_unexpected)


def answer_known(error: errors.LimnerError) -> Response:
    """Answer an exception that was raised on purpose."""
    known, kind = kind_of(type(error))
    headers = {} if kind.retry_after_s is None else {"Retry-After": str(kind.retry_after_s)}
    if kind.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="limner"'
    if kind.status >= 500:
        log.warning("A request failed: %s", type(error).__name__)
    return problem_response(
        status=kind.status,
        title=kind.title,
        detail=str(error),
        kind=f"/problems/{slug(known)}",
        problems=getattr(error, "problems", ()),
        headers=headers,
    )


def answer_http(error: HTTPException) -> WsgiResponse:
    """Answer an error of HTTP itself: no such route, wrong method, broken body, ….

    Its own headers, such as `Allow` or `Content-Range`, are kept.
    """
    if isinstance(error, RequestRedirect):
        return error.get_response(request.environ)
    if error.response is not None:
        return cast(WsgiResponse, error.response)
    status = error.code or 500
    headers = [
        (name, value)
        for name, value in error.get_headers(request.environ)
        if name.lower() not in {"content-type", "content-length"}
    ]
    retry_after = getattr(error, "retry_after", None)
    if isinstance(retry_after, int) and "Retry-After" not in dict(headers):
        headers.append(("Retry-After", str(retry_after)))
    return problem_response(status=status, detail=error.description or "", headers=headers)


def answer_system(error: OSError) -> Response:
    """Answer a failure of the operating system; a full disk is said as such."""
    if error.errno in FULL:
        return answer_known(errors.StorageFull("The disk is full; nothing was recorded."))
    if error.errno in _BAD_NAME:
        return answer_known(
            errors.InvalidRequest(f"A file name cannot be used: {os.strerror(error.errno)}.")
        )
    return answer_unexpected(error)


def answer_unexpected(error: Exception) -> Response:
    """Answer what nobody foresaw: no word of it leaves, the log has where it happened.

    The exception's own message stays at the debug level: it may hold file names, and those may
    hold patients' names.
    """
    frames = "".join(traceback.format_tb(error.__traceback__)[-12:])
    log.error("Unexpected %s at\n%s", type(error).__name__, frames)
    log.debug("Message of the unexpected exception: %s", error)
    return problem_response(
        status=500,
        detail="The server failed in a way it did not foresee. Its log tells more under the "
        "request id of this answer.",
    )
