"""The requests in `tests/clients/viewers` are what the real client writes, to the byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.clients.monai_label.conftest import NewClient, RealClient
from tests.clients.viewers import python_client

Call = Callable[[RealClient, str], Any]
Written = Callable[[str, str], bytes]
NOTED = {"a": [1, "ü"]}


def heard(ask: Callable[[str], Any]) -> tuple[str, bytes]:
    """Listen once, answer with an empty object, and return where that was and what came."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/monai/one"
        asking = threading.Thread(target=ask, args=(url,))
        asking.start()
        connection, _ = server.accept()
        with connection:
            came = b""
            while not _is_whole(came):
                came += connection.recv(1 << 16)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
                b"Connection: close\r\n\r\n{}"
            )
        asking.join()
    return url, came


def _is_whole(came: bytes) -> bool:
    head, end, body = came.partition(b"\r\n\r\n")
    lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(end) and len(body) >= (int(lengths[0].split(b":")[1]) if lengths else 0)


CASES: dict[str, tuple[Call, Written]] = {
    "info": (
        lambda client, _: client.info(),
        lambda url, _: python_client.bare(url, "GET", "/info/"),
    ),
    "stop": (
        lambda client, _: client.train_stop(),
        lambda url, _: python_client.bare(url, "DELETE", "/train/"),
    ),
    "next": (
        lambda client, _: client.next_sample("a b", dict(NOTED)),
        lambda url, _: python_client.with_json(
            url, "POST", "/activelearning/a+b", {**NOTED, "client_id": "ada"}
        ),
    ),
    "infer": (
        lambda client, file: client.infer("m", "i d", dict(NOTED), label_in=file),
        lambda url, file: python_client.with_form(
            url, "POST", "/infer/m?image=i+d", {**NOTED, "client_id": "ada"}, {"label": file}
        ),
    ),
    "save": (
        lambda client, file: client.save_label("i/d", file, "version_1"),
        lambda url, file: python_client.with_form(
            url,
            "PUT",
            "/datastore/label?image=i%2Fd&tag=version_1",
            {"client_id": "ada"},
            {"label": file},
        ),
    ),
}


@pytest.mark.parametrize(("call", "written"), CASES.values(), ids=CASES)
def test_the_real_client_writes_these_bytes(
    connect: NewClient, tmp_path: Path, call: Call, written: Written
) -> None:
    file = tmp_path / "ü b.nii.gz"
    file.write_bytes(bytes(range(256)) * 300)
    url, came = heard(lambda url: call(connect(url, "ada"), str(file)))
    assert came == written(url, str(file))
