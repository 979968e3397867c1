"""JSON bodies are read strictly."""

from __future__ import annotations

import pytest

from limner.http.json_text import check_json


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": 1, "a": 2}',
        b'{"a": "x\\u0000y"}',
        b'{"a": "\x00"}',
        b"[" * 100_000 + b"]" * 100_000,
        b"1" * 5000,
    ],
)
def test_what_other_readers_see_differently_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"body|digits"):
        check_json(body)


@pytest.mark.parametrize(
    "body", [b"{}", b"[1, 2.5e3, null]", '{"a": "ä\\u00e4"}'.encode(), b'{"a": "\\\\u0000"}']
)
def test_sound_json_passes(body: bytes) -> None:
    check_json(body)
