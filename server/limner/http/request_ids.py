"""A name for every request, so that an answer, a log line and a complaint can be put together."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar

HEADER = "X-Request-Id"

current: ContextVar[str] = ContextVar("limner_request_id", default="")
"""Id of the request that this thread works on; empty outside of requests."""

_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


def take(given: str | None) -> str:
    """Make the given id the current one where it is sane, else a new one; return it.

    Sane is 1 to 64 letters, digits, dots, dashes, colons and underscores: nothing that could forge
    a log line or a header.
    """
    chosen = given if given is not None and _SANE.fullmatch(given) else secrets.token_hex(8)
    current.set(chosen)
    return chosen
