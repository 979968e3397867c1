"""What happens on a connection before the application is asked, and instead of it."""

from __future__ import annotations

from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask
from waitress.utilities import BadRequest, Error

from limner.errors import Unauthorised
from limner.http import request_ids
from limner.http.auth import check_token
from limner.http.json_text import MAX_BYTES
from limner.http.problems import MEDIA_TYPE, problem_body
from limner.settings import Settings


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


def channel_class(settings: Settings) -> type[Any]:
    """Make the class of a server's connections."""
    token = None if settings.token is None else settings.token.get_secret_value().encode()

    class Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
        """Refuses what is no URL, and a stranger's big body before it is written to disk."""

        looked_at = False

        def received(self, data: bytes) -> int:
            try:
                consumed: int = super().received(data)
            except ValueError:
                # Targets such as `http://[` break the standard library's URL parser.
                self.error = BadRequest("the request target is no URL")
                self.completed = True
                return len(data)
            if token is not None and self.headers_finished and not self.looked_at:
                self.looked_at = True
                if (self.chunked or self.content_length > MAX_BYTES) and not self.completed:
                    self._look(token)
            return consumed

        def _look(self, token: bytes) -> None:
            try:
                check_token(self.headers.get("AUTHORIZATION"), token)
            except Unauthorised as error:
                self.error = _Unauthorised(str(error))
                self.completed = True

    class Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
        parser_class = Parser
        error_task_class = _ProblemTask

    return Channel
