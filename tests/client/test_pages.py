"""Lists come page by page."""

from __future__ import annotations

from itertools import islice
from typing import Any

import httpx
import pytest

from limner.client import Limner, UnexpectedAnswer


def page(*ids: int, next: str | None) -> httpx.Response:
    return httpx.Response(
        200, json={"items": [{"id": each, "name": f"s{each}"} for each in ids], "next": next}
    )


def test_all_pages_are_read_with_the_cursor_of_the_one_before(limner: Limner, stub: Any) -> None:
    stub.give(page(1, 2, next="c1"), page(3, next=None))
    found = list(limner.project("p").samples(state="ready", page=2))
    assert [each.id for each in found] == [1, 2, 3]
    assert dict(stub.requests[0].url.params) == {"state": "ready", "limit": "2"}
    assert dict(stub.requests[1].url.params) == {"state": "ready", "limit": "2", "cursor": "c1"}


def test_suspects_come_with_their_sample_and_label(limner: Limner, stub: Any) -> None:
    label = {"id": 9, "version": 1, "sha256": "0" * 64, "state": "submitted"}
    item = {"sample": {"id": 3, "name": "a"}, "label": label, "score": 0.1, "reason": "odd"}
    stub.give(httpx.Response(200, json={"items": [item], "next": None}))
    (found,) = limner.project("p").suspects()
    assert (found.sample.id, found.label.id, found.score, found.reason) == (3, 9, 0.1, "odd")
    assert stub.requests[0].url.path == "/api/v1/projects/p/suspects"


def test_a_page_is_asked_for_only_when_it_is_needed(limner: Limner, stub: Any) -> None:
    stub.give(page(1, 2, next="c1"), page(3, next=None))
    assert len(list(islice(limner.project("p").samples(), 2))) == 2
    assert len(stub.requests) == 1


def test_an_answer_that_is_no_page_is_refused(limner: Limner, stub: Any) -> None:
    stub.give(httpx.Response(200, json=[1, 2]))
    with pytest.raises(UnexpectedAnswer, match="page"):
        list(limner.projects())
