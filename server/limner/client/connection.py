"""Requests to one server: the token, time limits, retries, and errors as exceptions."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import httpx

from limner.client.errors import ServerUnreachable, UnexpectedAnswer, problem_for

API = "/api/v1"
_RETRIED_METHODS = frozenset({"GET", "HEAD", "DELETE"})
# 502 and 504 are a plugin's failure and a worker's time-out: the server has tried again by itself.
_RETRIED_STATUS = frozenset({429, 503})
_LONGEST_PAUSE_S = 10.0

Parts = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, in a form that can be sent more than once."""

    method: str
    path: str
    """Below the server's root; `/api/v1` is not added."""
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] = field(default_factory=dict)
    files: Parts = field(default_factory=dict)
    """Multipart files: `name: (filename, seekable stream)`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False
    """Sending it twice does what sending it once does."""
    impatient: bool = False
    """Sent once, whatever comes of it."""
    timeout_s: float | None = None
    """Most seconds without a sign of life; None for the connection's own."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def once_only(self) -> Call:
        """The same call with a key by which the server knows a repetition of it.

        The key also fixes the boundary of a multipart body, so that a repetition is the same bytes.
        """
        key = uuid4().hex
        headers = {**self.headers, "Idempotency-Key": key}
        if self.files:
            headers["Content-Type"] = f"multipart/form-data; boundary={key}"
        return replace(self, headers=headers, repeatable=True)


class Connection:
    """Sends calls to one server. Safe to use from several threads."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        actor: str | None = None,
        timeout_s: float = 30.0,
        attempts: int = 4,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open nothing yet.

        Args:
            url: The server's root, such as `http://127.0.0.1:8000`.
            token: Bearer token that every request carries.
            actor: Who asks, for the server's audit trail.
            timeout_s: Most seconds to connect, and between two signs of life of the server.
            attempts: How often a repeatable request is sent before giving up.
            transport: Another way to carry requests, for tests.
            sleep: Waits between two attempts.
        """
        self.url = url.rstrip("/").removesuffix(API)
        self._attempts = max(1, attempts)
        self._sleep = sleep
        headers = {"User-Agent": "limner-client"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if actor:
            headers["Limner-Actor"] = actor
        self._client = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 10.0)),
            transport=transport,
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=16),
        )

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def answer(self, call: Call) -> httpx.Response:
        """Send a call and read the whole answer.

        Raises:
            HTTPProblem: The server refused; the class says how.
            ServerUnreachable: No answer came.
        """
        return self._send(call, read=True)

    def json(self, call: Call) -> Any:
        """Send a call and read a JSON answer; None for an empty one."""
        response = self.answer(call)
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise UnexpectedAnswer(
                f"{call} was answered {response.headers.get('content-type', 'nothing')!r} instead "
                f"of JSON. Is {self.url} a Limner server?"
            ) from error

    def pages(self, call: Call) -> Iterator[Any]:
        """Yield the items of a list, asking for the next page when the last one is used up."""
        cursor: str | None = None
        while True:
            params = {**call.params, **({"cursor": cursor} if cursor else {})}
            page = self.json(replace(call, params=params))
            if not isinstance(page, Mapping) or not isinstance(page.get("items"), list):
                raise UnexpectedAnswer(f"{call} was not answered with a page of items.")
            yield from page["items"]
            cursor = page.get("next")
            if not cursor:
                return

    @contextmanager
    def stream(self, call: Call) -> Iterator[httpx.Response]:
        """Send a call and give its answer before the body is read.

        A repeatable call is sent again when no answer came, or one that says to come back later.
        """
        response = self._send(call, read=False)
        try:
            yield response
        except httpx.TransportError as error:
            raise ServerUnreachable(
                f"The answer to {call} broke off: {_words(error)}. Ask again."
            ) from error
        finally:
            response.close()

    def _send(self, call: Call, *, read: bool) -> httpx.Response:
        repeatable = call.repeatable or call.method in _RETRIED_METHODS
        attempts = self._attempts if repeatable and not call.impatient else 1
        for attempt in range(1, attempts + 1):
            last = attempt == attempts
            try:
                response = self._client.send(self._request(call), stream=True)
                if response.status_code < 400:
                    if read:
                        _ = response.read()
                    return response
                refused = _refusal(call, response)
            except httpx.TransportError as error:
                if last:
                    raise self._unreachable(call, error) from error
                self._pause(attempt, None)
                continue
            if last or response.status_code not in _RETRIED_STATUS:
                raise refused
            self._pause(attempt, response.headers.get("retry-after"))
        raise AssertionError("the last attempt returns or raises")

    def _request(self, call: Call) -> httpx.Request:
        timeout = httpx.USE_CLIENT_DEFAULT if call.timeout_s is None else call.timeout_s
        return self._client.build_request(
            call.method,
            call.path,
            params={name: each for name, each in call.params.items() if each is not None} or None,
            json=call.json,
            data=dict(call.form) or None,
            files=dict(call.files) or None,
            headers=dict(call.headers),
            timeout=timeout,
        )

    def _pause(self, attempt: int, retry_after: str | None) -> None:
        """Wait as the server asks, else longer after every attempt, and never all at once."""
        try:
            seconds = float(retry_after or "")
        except ValueError:
            seconds = 0.2 * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
        self._sleep(min(max(seconds, 0.0), _LONGEST_PAUSE_S))

    def _unreachable(self, call: Call, error: httpx.TransportError) -> ServerUnreachable:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return ServerUnreachable(
                f"No server answers at {self.url} ({_words(error)}). Start one with "
                "`limner serve`, or give another --url."
            )
        return ServerUnreachable(
            f"{self.url} did not answer {call}: {_words(error)}. It may be busy or have ended."
        )


def _refusal(call: Call, response: httpx.Response) -> Exception:
    """Read the problem document of a refused request and close the answer."""
    try:
        response.read()
        document = response.json()
    except ValueError:
        document = None
    finally:
        response.close()
    return problem_for(
        response.status_code, str(call), document if isinstance(document, Mapping) else {}
    )


def _words(error: Exception) -> str:
    """An exception in words; some of httpx's say nothing."""
    return str(error) or type(error).__name__
