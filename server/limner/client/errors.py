"""What the client raises; every class carries what a caller needs to decide what to do next.

LimnerError                 (limner.plugin.errors)
└── ClientError
    ├── ServerUnreachable   no answer: nothing listens, the connection broke, or it took too long
    ├── UnexpectedAnswer    something answered, but not as a Limner server does
    ├── JobFailed           a job that was waited for failed or was cancelled
    ├── WaitTimeout         a job that was waited for has not ended in time
    └── HTTPProblem         the server refused, and said why (RFC 9457 problem details)
        ├── BadRequest      400, 413, 415, 422: what was sent cannot be used
        ├── AccessRefused   401, 403: the token is missing, wrong or not enough
        ├── Missing         404, 410: there is no such thing
        ├── Conflicting     409, 412: the present state does not allow it
        ├── Overloaded      429, 503, 507: not now; perhaps later
        └── ServerFailed    any other 5xx: the server's fault
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from limner.plugin.errors import LimnerError

if TYPE_CHECKING:
    from limner.client.answers import Job


class ClientError(LimnerError):
    """Root of what the client raises."""


class ServerUnreachable(ClientError):
    """No answer came: nothing listens there, the connection broke, or it took too long."""


class UnexpectedAnswer(ClientError):
    """Something answered, but not as a Limner server does."""


class JobFailed(ClientError):
    """A job that was waited for failed or was cancelled."""

    def __init__(self, message: str, *, job: Job) -> None:
        super().__init__(message)
        self.job = job


class WaitTimeout(ClientError):
    """A job that was waited for has not ended in time; it goes on at the server."""

    def __init__(self, message: str, *, job: Job) -> None:
        super().__init__(message)
        self.job = job


class HTTPProblem(ClientError):
    """The server refused, and said why in problem details (RFC 9457).

    Attributes:
        status: HTTP status code.
        title: What kind of problem it is, in a few words.
        detail: What was wrong this time.
        problems: Each thing that was wrong, where the server names several.
        document: The whole problem document; empty when the answer held none.
    """

    def __init__(self, *, status: int, request: str, document: Mapping[str, Any]) -> None:
        self.status = status
        self.title = str(document.get("title") or f"HTTP {status}")
        self.detail = str(document.get("detail") or "")
        found = document.get("problems")
        self.problems = tuple(map(_sentence, found)) if isinstance(found, list) else ()
        self.document = dict(document)
        super().__init__(f"{request} was answered {status}: {self.words}")

    @property
    def words(self) -> str:
        """What was wrong, for people, without the request."""
        return "\n".join([self.detail or self.title, *(f"- {each}" for each in self.problems)])

    @property
    def request_id(self) -> str | None:
        """The id under which the server logged the request, where it said so."""
        found = self.document.get("request_id")
        return None if found is None else str(found)


class BadRequest(HTTPProblem):
    """What was sent cannot be used (400, 413, 415, 422)."""


class AccessRefused(HTTPProblem):
    """The token is missing, wrong or not enough (401, 403)."""


class Missing(HTTPProblem):
    """There is no such project, sample, label, job, … (404, 410)."""


class Conflicting(HTTPProblem):
    """The present state does not allow what was asked (409, 412)."""


class Overloaded(HTTPProblem):
    """The server cannot do it now (429, 503, 507)."""


class ServerFailed(HTTPProblem):
    """The server failed (any other 5xx)."""


_BY_STATUS: Mapping[int, type[HTTPProblem]] = {
    400: BadRequest,
    401: AccessRefused,
    403: AccessRefused,
    404: Missing,
    409: Conflicting,
    410: Missing,
    412: Conflicting,
    413: BadRequest,
    415: BadRequest,
    422: BadRequest,
    429: Overloaded,
    503: Overloaded,
    507: Overloaded,
}


def problem_for(status: int, request: str, document: Mapping[str, Any]) -> HTTPProblem:
    """Choose the class for a refused request.

    Args:
        status: HTTP status code, 400 or more.
        request: Method and path, for the message.
        document: Problem details; may be empty.
    """
    kind = _BY_STATUS.get(status, ServerFailed if status >= 500 else HTTPProblem)
    return kind(status=status, request=request, document=document)


def _sentence(problem: object) -> str:
    """One problem in words: a string as it is, an object as `where: what`."""
    if not isinstance(problem, Mapping):
        return str(problem)
    where = problem.get("loc") or problem.get("where") or ""
    if isinstance(where, list | tuple):
        where = ".".join(map(str, where))
    what = problem.get("msg") or problem.get("detail") or problem.get("message") or ""
    return f"{where}: {what}" if where else str(what or problem)
