"""A server that is a list of answers: what it was asked is kept for the test to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from limner.client import Limner

Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


@dataclass
class Stub:
    """Answers requests with the replies given, in order; the last one again and again."""

    replies: list[Reply] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def give(self, *replies: Reply) -> None:
        self.replies += replies

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        reply = self.replies[min(len(self.requests), len(self.replies)) - 1]
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, httpx.Response):
            return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)
        return reply(request)


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
def limner(stub: Stub) -> Iterator[Limner]:
    with Limner(
        "http://stub", token="secret", transport=httpx.MockTransport(stub), sleep=stub.pauses.append
    ) as client:
        yield client


@pytest.fixture
def job_json() -> Callable[..., dict[str, Any]]:
    def make(state: str, step: int = 0, **more: Any) -> dict[str, Any]:
        progress = {"step": step, "total": 10, "losses": {"dice": 0.5}}
        return {"id": 7, "kind": "train", "state": state, "progress": progress, **more}

    return make


@pytest.fixture
def event_stream() -> Callable[[Sequence[str]], httpx.Response]:
    def make(blocks: Sequence[str]) -> httpx.Response:
        return httpx.Response(
            200,
            headers={"Content-Type": "text/event-stream"},
            content="".join(f"{block}\n\n" for block in blocks).encode(),
        )

    return make
