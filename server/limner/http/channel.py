"""What happens on a connection before the application is asked, and instead of it."""

from __future__ import annotations

import logging
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask
from waitress.utilities import BadRequest, Error, InternalServerError

from limner.errors import Unauthorised
from limner.http import request_ids
from limner.http.auth import accepted_tokens, check_token
from limner.http.json_text import MAX_BYTES
from limner.http.problems import MEDIA_TYPE, problem_body
from limner.http.spool import SpooledBody, is_full, spool_in, why_not_kept
from limner.settings import Settings

log = logging.getLogger(__name__)

_BODILESS = frozenset({"GET", "HEAD", "DELETE"})
"""Methods that no route takes a body with."""


class _ProblemTask(ErrorTask):  # type: ignore[misc]  # waitress has no types
    """Answers what never reaches the application with a problem, too."""

    def execute(self) -> None:
        error = self.request.error
        request_id = request_ids.take(self.request.headers.get("X_REQUEST_ID"))
        body = problem_body(status=error.code, detail=str(error.body))
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", MEDIA_TYPE))
        self.response_headers.append((request_ids.HEADER, request_id))
        if error.code == 401:
            self.response_headers.append(("WWW-Authenticate", 'Bearer realm="limner"'))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Unauthorised(Error):  # type: ignore[misc]  # waitress has no types
    code = 401
    reason = "Unauthorized"


class _StorageFull(Error):  # type: ignore[misc]  # waitress has no types
    code = 507
    reason = "Insufficient Storage"


def channel_class(settings: Settings) -> type[Any]:
    """Make the class of a server's connections."""
    tokens = accepted_tokens(settings)
    spool = spool_in(settings.home)

    class Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
        """Refuses what is no URL, and a stranger's big body before it is written to disk."""

        looked_at = False
        has_stale_headers = False

        def received(self, data: bytes) -> int:
            try:
                consumed: int = super().received(data)
            except ValueError:
                # Targets such as `http://[` break the standard library's URL parser.
                self.error = BadRequest("the request target is no URL")
                self.completed = True
                return len(data)
            if tokens and self.headers_finished and not self.looked_at:
                self.looked_at = True
                if (self.chunked or self.content_length > MAX_BYTES) and not self.completed:
                    self._look()
            if self.completed and self.error is None:
                self._check_kept()
            # What still comes on such a connection is no request.
            return len(data) if self.has_stale_headers else consumed

        def parse_header(self, header_plus: bytes) -> None:
            super().parse_header(header_plus)
            if self.command in _BODILESS and self.content_length:
                self._forget_body()
            if self.body_rcv is not None:
                self.body_rcv.buf = SpooledBody(self.adj.inbuf_overflow, spool)

        def _forget_body(self) -> None:
            """Answer now: some clients repeat the headers of an earlier request, without a body.

            Should one come all the same, it must not be taken for a request of its own: the
            connection ends with the answer.
            """
            self.has_stale_headers = True
            self.body_rcv = None
            self.content_length = 0
            for name in ("CONTENT_LENGTH", "CONTENT_TYPE"):
                self.headers.pop(name, None)
            self.headers["CONNECTION"] = "close"
            self.connection_close = True
            self.expect_continue = False

        def _check_kept(self) -> None:
            failure = None if self.body_rcv is None else self.body_rcv.getbuf().failure
            if failure is not None:
                kind = _StorageFull if is_full(failure) else InternalServerError
                self.error = kind(why_not_kept(failure))

        def _look(self) -> None:
            try:
                check_token(self.headers.get("AUTHORIZATION"), tokens)
            except Unauthorised as error:
                self.error = _Unauthorised(str(error))
                self.completed = True

    class Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
        parser_class = Parser
        error_task_class = _ProblemTask

        def send(self, data: bytes, do_close: bool = True) -> int:
            if not data:
                # A file that became shorter than was promised while it was sent: waiting for the
                # rest would never end, so the connection does, and the reader knows it lacks some.
                log.warning("A file became shorter while it was sent; its connection is closed")
                self.will_close = True
                return 0
            sent: int = super().send(data, do_close)
            return sent

    return Channel
