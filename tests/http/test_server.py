"""The server itself: where it listens, what never reaches the application, and how it ends."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import psutil
import pytest
from flask import Response

from limner.errors import SettingsError
from limner.http.context import parts
from limner.http.server import Server
from limner.http.sse import Feed, stream
from limner.settings import Limits, Settings

# The fixtures' classes live in conftest.py, which cannot be imported.
Live = Any
Project = Any


@contextmanager
def small(tmp_path: Path, **settings: Any) -> Iterator[tuple[Server, threading.Event]]:
    """A server without a loop behind it, with routes that wait, stream and fail."""
    chosen = Settings.model_validate({"home": tmp_path, "port": 0, "threads": 8, **settings})
    service = cast(Any, SimpleNamespace(settings=chosen))
    server = Server(service, chosen)
    go_on = threading.Event()

    def wait() -> str:
        go_on.wait(10)
        return "done"

    def follow() -> Response:
        feed = Feed(
            subscribe=lambda: cast(Any, _Silence()),
            present=lambda: ("job", {}),
            shown=lambda event: event.data,
            ended=lambda kind, data: False,
        )
        return stream(parts().streams, feed)

    def fail() -> str:
        raise RuntimeError("secret of the house")

    for path, view in (("/wait", wait), ("/follow", follow), ("/fail", fail)):
        server.app.add_url_rule(path, path, view)
    server.start()
    try:
        yield server, go_on
    finally:
        go_on.set()
        server.stop()


class _Silence:
    def __enter__(self) -> _Silence:
        return self

    def __exit__(self, *_: object) -> None: ...

    def get(self, timeout_s: float) -> None:
        time.sleep(min(timeout_s, 0.02))


def raw(server: Server, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes as they are; return status, headers and body."""
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
            head, found, body = answer.partition(b"\r\n\r\n")
            if found and b"content-length: " + str(len(body)).encode() in head.lower():
                break
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, body


def test_a_free_port_is_taken_and_named(tmp_path: Path) -> None:
    with small(tmp_path) as (server, _), small(tmp_path) as (other, _):
        assert server.url.startswith("http://127.0.0.1:")
        assert server.url != other.url
        assert httpx.get(f"{server.url}/health/live").json()["status"] == "live"


def test_a_port_that_is_taken_is_refused_in_words(tmp_path: Path) -> None:
    with small(tmp_path) as (server, _):
        port = int(server.url.rpartition(":")[2])
        settings = Settings(home=tmp_path, port=port)
        second = Server(cast(Any, SimpleNamespace(settings=settings)), settings)
        with pytest.raises(SettingsError, match=f"port {port}"):
            second.start()


def test_a_server_that_others_could_reach_is_not_even_made(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, host="0.0.0.0")  # noqa: S104
    with pytest.raises(SettingsError, match="token"):
        Server(cast(Any, SimpleNamespace(settings=settings)), settings)


def test_a_body_over_the_limit_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    with small(tmp_path, limits=Limits(max_body_bytes=1000)) as (server, _):
        head = b"POST /api/v1/projects HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
        status, headers, body = raw(server, head % 10**12)
        assert (status, headers["content-type"]) == (413, "application/problem+json")
        assert json.loads(body)["status"] == 413


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nBad Header: 1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: odd\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /%00/..%2f..%2fetc HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\n\r\n", 403),
        (b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ],
)
def test_what_is_no_sound_request_is_a_problem(
    tmp_path: Path, request_bytes: bytes, status: int
) -> None:
    with small(tmp_path) as (server, _):
        found, headers, body = raw(server, request_bytes)
        assert (found, headers["content-type"]) == (status, "application/problem+json")
        assert json.loads(body)["status"] == status
        assert "server" not in headers


def test_a_strangers_big_body_is_refused_before_it_comes(tmp_path: Path) -> None:
    head = (
        b"POST /api/v1/projects HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"
        b"Authorization: Bearer %s\r\n\r\n"
    )
    with small(tmp_path, token="secret") as (server, _):
        status, headers, body = raw(server, head % (50 << 20, b"wrong"))
        assert (status, headers["content-type"]) == (401, "application/problem+json")
        assert headers["www-authenticate"].startswith("bearer")
        assert b"secret" not in body


def test_a_failure_says_nothing_of_itself(tmp_path: Path) -> None:
    with small(tmp_path) as (server, _):
        answer = httpx.get(f"{server.url}/fail")
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "secret" not in answer.text


def test_a_token_is_asked_of_all_but_health(tmp_path: Path) -> None:
    with small(tmp_path, token="secret") as (server, _):
        for path in ("/", "/docs", "/openapi.json", "/metrics", "/api/v1/info", "/absent"):
            assert httpx.get(f"{server.url}{path}").status_code == 401, path
        assert httpx.get(f"{server.url}/health/live").status_code == 200
        opened = httpx.get(f"{server.url}/docs", headers={"Authorization": "Bearer secret"})
        assert opened.status_code == 200


def test_a_request_that_runs_may_end_while_the_server_stops(tmp_path: Path) -> None:
    answers: list[httpx.Response] = []
    with small(tmp_path) as (server, go_on):
        url = server.url
        asking = threading.Thread(target=lambda: answers.append(httpx.get(f"{url}/wait")))
        asking.start()
        deadline = time.monotonic() + 10
        while "limner_requests_in_flight 1.0" not in _figures(server):
            assert time.monotonic() < deadline
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        go_on.set()
        stopping.join(10)
        asking.join(10)
        assert not stopping.is_alive()
    assert [each.text for each in answers] == ["done"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health/live")


def _figures(server: Server) -> str:
    in_flight = server.app.extensions["limner"].metrics.in_flight
    (sample,) = [each for family in in_flight.collect() for each in family.samples]
    return f"{sample.name} {sample.value}"


def test_open_streams_end_when_the_server_stops(tmp_path: Path) -> None:
    with small(tmp_path) as (server, _):
        with httpx.stream("GET", f"{server.url}/follow") as answer:
            lines = answer.iter_lines()
            assert next(lines) == "retry: 2000"
            began = time.monotonic()
            stopping = threading.Thread(target=server.stop)
            stopping.start()
            assert "event: job" in list(lines)
        stopping.join(10)
        assert not stopping.is_alive()
        assert time.monotonic() - began < 5


def test_a_reader_that_goes_away_gives_its_stream_back(tmp_path: Path) -> None:
    with small(tmp_path) as (server, _):
        streams = server.app.extensions["limner"].streams
        with httpx.stream("GET", f"{server.url}/follow") as answer:
            next(answer.iter_lines())
            assert streams.open == 1
        deadline = time.monotonic() + 10
        while streams.open:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_streams_leave_threads_for_others(tmp_path: Path) -> None:
    with small(tmp_path) as (server, _), httpx.Client(base_url=server.url) as client:
        open_streams = []
        while True:
            answer = client.send(client.build_request("GET", "/follow"), stream=True)
            if answer.status_code != 200:
                break
            open_streams.append(answer)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert len(open_streams) == 8 // 3
        assert client.get("/health/live").status_code == 200
        for each in (answer, *open_streams):
            each.close()


def test_stopping_twice_or_before_the_start_does_no_harm(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, port=0)
    server = Server(cast(Any, SimpleNamespace(settings=settings)), settings)
    server.stop()
    with small(tmp_path) as (other, _):
        other.stop()
        other.stop()


def test_the_process_is_soon_healthy_and_small(tmp_path: Path) -> None:
    code = f"""
import sys, time
from pathlib import Path
from limner.engine.local import LocalEngine
from limner.http.server import Server
from limner.loop.service import Service
from limner.records.database import Records
from limner.registry import Registry
from limner.settings import Settings
settings = Settings(home=Path({str(tmp_path)!r}), port=0)
registry = Registry(settings.plugins)
engine = LocalEngine(settings.engine, registry, settings.home / "logs")
service = Service(settings, Records.open(settings.home), engine, registry)
service.start()
server = Server(service, settings)
server.start()
print(server.url, time.process_time(), flush=True)
sys.stdin.read()
server.stop()
service.stop()
print("torch" in sys.modules, flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url, seconds = process.stdout.readline().split()
        assert httpx.get(f"{url}/health/ready").status_code == 200
        for path in ("/openapi.json", "/api/v1/projects", "/metrics"):
            assert httpx.get(url + path).status_code == 200
        megabytes = psutil.Process(process.pid).memory_info().rss / 1e6
        told, _ = process.communicate("", timeout=60)
    assert told.strip() == "False"
    # Processor time: other work on the machine does not count.
    assert float(seconds) < 2.5
    assert megabytes < 150
