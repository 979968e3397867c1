"""What a request may reach. Flask's context globals stop at this package."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import Flask, current_app, request

from limner.errors import InvalidRequest

if TYPE_CHECKING:
    from limner.http.metrics import Metrics
    from limner.http.sse import Streams
    from limner.loop.service import Service

EXTENSION = "limner"
"""Key of the parts in `Flask.extensions`."""

ACTOR_HEADER = "Limner-Actor"
_ACTOR = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,200}")


@dataclass(frozen=True, slots=True)
class Parts:
    """What one application was made with."""

    service: Service
    streams: Streams
    metrics: Metrics


def attach(app: Flask, parts: Parts) -> None:
    """Give an application its parts."""
    app.extensions[EXTENSION] = parts


def parts() -> Parts:
    """Return the parts of the application that serves this request."""
    return cast(Parts, current_app.extensions[EXTENSION])


def service() -> Service:
    """Return the service that this request is about."""
    return parts().service


def actor() -> str:
    """Say who asks, for the audit trail: the header `Limner-Actor`, or `api` where there is none.

    It is what the caller says of itself, not a proof: the token is the proof.

    Raises:
        InvalidRequest: Over 200 characters, or with control characters.
    """
    name = _as_sent(request.headers.get(ACTOR_HEADER, "").strip())
    if name and not _ACTOR.fullmatch(name):
        raise InvalidRequest(
            f"{ACTOR_HEADER} has {len(name)} characters; take at most 200, no control characters."
        )
    return name or "api"


def _as_sent(text: str) -> str:
    """Read a header as UTF-8 where it is that; WSGI reads every one as Latin-1."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
