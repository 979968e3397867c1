"""Viewers reach a DICOMweb server through this one, and nothing else."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.http.conftest import running
from tests.http.dialect.conftest import ENGINE
from tests.http.dialect.test_routes import settings

from limner.settings import DicomWebSettings, MonaiLabelSettings, Settings


class Upstream:
    """A DICOMweb server that says what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.go_on = threading.Event()
        self.go_on.set()
        seen = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer()

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                seen.asked.append((self.command, self.path, dict(self.headers.items()), body))
                seen.go_on.wait(20)
                self.send_response(200 if "missing" not in self.path else 404)
                self.send_header("Content-Type", "application/dicom+json")
                self.send_header("Set-Cookie", "secret=1")
                self.end_headers()
                self.wfile.write(b'[{"00100020": {}}]')

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/dicom-web"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.go_on.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


def through(tmp_path: Path, **dicomweb: Any) -> Settings:
    chosen = settings(tmp_path, "one")
    viewers = MonaiLabelSettings(dicomweb=DicomWebSettings(**dicomweb))
    return chosen.model_copy(update={"monai_label": viewers, "engine": ENGINE})


def test_a_query_is_passed_on_whole_with_the_servers_own_password(
    tmp_path: Path, upstream: Upstream
) -> None:
    chosen = through(
        tmp_path, url=upstream.url, username="orthanc", password="hidden", qido_prefix="q"
    )
    with running(chosen) as (_, server):
        path = f"{server.url}/proxy/dicom/qido/studies?PatientID=a%20b&limit=5"
        answer = httpx.get(path, headers={"Accept": "application/dicom+json"})
    assert answer.status_code == 200
    assert answer.json() == [{"00100020": {}}]
    assert answer.headers["Content-Type"] == "application/dicom+json"
    assert "Set-Cookie" not in answer.headers
    ((method, asked, headers, _),) = upstream.asked
    assert (method, asked) == ("GET", "/dicom-web/q/studies?PatientID=a%20b&limit=5")
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"orthanc:hidden").decode()
    assert headers["Accept"] == "application/dicom+json"


def test_metadata_and_what_is_stored_go_to_their_own_places(
    tmp_path: Path, upstream: Upstream
) -> None:
    chosen = through(tmp_path, url=upstream.url, qido_prefix="q", wado_prefix="w", stow_prefix="s")
    with running(chosen) as (_, server):
        base = f"{server.url}/proxy/dicom"
        httpx.get(f"{base}/qido/studies/1/series/2/metadata").raise_for_status()
        httpx.get(f"{base}/wado/studies/1").raise_for_status()
        httpx.post(f"{base}/stow/studies", content=b"DICM").raise_for_status()
        httpx.get(f"{base}/studies").raise_for_status()
        assert httpx.get(f"{base}/missing").status_code == 404
    paths = [(method, path, body) for method, path, _, body in upstream.asked]
    assert paths == [
        ("GET", "/dicom-web/w/studies/1/series/2/metadata", b""),
        ("GET", "/dicom-web/w/studies/1", b""),
        ("POST", "/dicom-web/s/studies", b"DICM"),
        ("GET", "/dicom-web/studies", b""),
        ("GET", "/dicom-web/missing", b""),
    ]


@pytest.mark.parametrize(
    "path", ["qido/../../admin", "%2e%2e/admin", "wado/..%2f..%2fadmin", "a/%2e%2e/b", "..%5cadmin"]
)
def test_a_path_that_leads_elsewhere_is_not_asked_for(
    tmp_path: Path, upstream: Upstream, path: str
) -> None:
    with running(through(tmp_path, url=upstream.url)) as (_, server):
        asked = httpx.URL(server.url).copy_with(raw_path=f"/proxy/dicom/{path}".encode())
        assert httpx.get(asked).status_code in (404, 422)
    assert not upstream.asked


def test_a_server_that_is_slow_or_not_there_is_said_so(tmp_path: Path, upstream: Upstream) -> None:
    upstream.go_on.clear()
    with running(through(tmp_path, url=upstream.url, timeout_s=0.3)) as (_, server):
        slow = httpx.get(f"{server.url}/proxy/dicom/studies", timeout=20)
        assert slow.status_code == 504
        assert "in time" in slow.json()["detail"]
    upstream.go_on.set()
    (tmp_path / "two").mkdir()
    with running(through(tmp_path / "two", url="http://127.0.0.1:9/x")) as (_, server):
        gone = httpx.get(f"{server.url}/proxy/dicom/studies", timeout=20)
        assert gone.status_code == 502
        assert "127.0.0.1:9" not in gone.text


def test_without_such_a_server_nothing_is_passed_on(tmp_path: Path) -> None:
    with running(settings(tmp_path, "one")) as (_, server):
        answer = httpx.get(f"{server.url}/proxy/dicom/studies")
        assert answer.status_code == 404
        assert "monai_label.dicomweb" in answer.json()["detail"]
