"""Files that come from the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from limner.client import Limner, ServerUnreachable, UnexpectedAnswer


def test_a_file_is_there_once_all_of_it_has_come(limner: Limner, stub: Any, tmp_path: Path) -> None:
    stub.give(httpx.Response(200, content=b"x" * 600_000))
    told: list[tuple[int, int | None]] = []
    target = limner.project("p").image(1, tmp_path / "image.nii.gz", lambda *at: told.append(at))
    assert target.read_bytes() == b"x" * 600_000
    assert told[-1] == (600_000, 600_000)
    assert [each.name for each in tmp_path.iterdir()] == ["image.nii.gz"]


def test_a_download_that_breaks_off_leaves_what_was_there(
    limner: Limner, stub: Any, tmp_path: Path
) -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        class Stream(httpx.SyncByteStream):
            def __iter__(self) -> Any:
                yield b"new"
                raise httpx.ReadError("broken")

        return httpx.Response(200, stream=Stream())

    stub.give(broken)
    target = tmp_path / "out.zip"
    target.write_bytes(b"old")
    with pytest.raises(ServerUnreachable, match="broke off"):
        limner.project("p").export(target)
    assert target.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["out.zip"]


def test_a_short_download_is_noticed(limner: Limner, stub: Any, tmp_path: Path) -> None:
    def short(request: httpx.Request) -> httpx.Response:
        class Stream(httpx.SyncByteStream):
            def __iter__(self) -> Any:
                yield b"1234"

        return httpx.Response(200, stream=Stream(), headers={"Content-Length": "10"})

    stub.give(short)
    with pytest.raises(UnexpectedAnswer, match="4 of 10"):
        limner.label_content(1, tmp_path / "label.nii.gz")
    assert list(tmp_path.iterdir()) == []
