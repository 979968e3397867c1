"""Idempotency keys on posts: asked again with the same key, the same answer comes again.

Only answers to what was done (2xx, JSON, small) are kept, for a day: a request that was refused
changed nothing, so trying it again with the same key is sound and may succeed.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import Response, request
from werkzeug.exceptions import Conflict as HttpConflict

from limner.errors import InvalidRequest, LimnerError
from limner.http.arguments import request_digest
from limner.http.context import service
from limner.records import idempotency

log = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
MAX_BODY = 1 << 16
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
_KEPT_HEADERS = ("Location", "Content-Type")


class _InHand:
    """The keys whose first request is being worked on."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, key: str, route: str) -> Iterator[None]:
        with self._lock:
            if (key, route) in self._keys:
                raise HttpConflict(
                    "A request with this Idempotency-Key is being worked on; ask again in a second."
                )
            self._keys.add((key, route))
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard((key, route))


_in_hand = _InHand()


def once(view: Callable[[], Response]) -> Response:
    """Answer a post by calling `view`, or with what it answered to the same key before.

    Raises:
        InvalidRequest: The key is unusable, or was used for another request.
        Conflict: Another request with this key is still being worked on.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return view()
    if not _KEY.fullmatch(key):
        raise InvalidRequest("An Idempotency-Key has 1 to 255 printable ASCII characters.")
    route = f"{request.method} {request.path}"[:255]
    digest = request_digest()
    with _in_hand.hold(key, route):
        stored = _stored(key, route, digest)
        if stored is not None:
            return stored
        response = view()
        _keep(key, route, digest, response)
        return response


def _stored(key: str, route: str, digest: str) -> Response | None:
    with service().records.read() as tx:
        kept = idempotency.get(tx, key, route, at=time.time())
    if kept is None:
        return None
    if kept.request_sha256 != digest:
        raise InvalidRequest(
            "This Idempotency-Key was used for another request; take a new key for a new request."
        )
    response = Response(kept.body, status=kept.status)
    for name, value in kept.headers.items():
        response.headers[name] = value
    response.headers[REPLAYED] = "true"
    return response


def _keep(key: str, route: str, digest: str, response: Response) -> None:
    if not 200 <= response.status_code < 300 or response.is_streamed:
        return
    body = response.get_data()
    if len(body) > MAX_BODY or (body and response.mimetype != "application/json"):
        return
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    answer = idempotency.KeptAnswer(
        key=key,
        route=route,
        request_sha256=digest,
        status=response.status_code,
        body=body,
        headers=headers,
        created_at=time.time(),
    )
    try:
        with service().records.write() as tx:
            idempotency.put(tx, answer)
    except LimnerError as error:
        # It is done and this is its answer; to say otherwise would have it done again.
        log.warning("An answer was not kept under its key: %s", type(error).__name__)
