"""Plugins are registered and retired by the client as the server says."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from limner.client import AccessRefused, Conflicting, Limner

ITEM = {"name": "mine", "kind": "strategy", "location": "/p/mine.py", "revision": 2}


def test_a_path_is_registered_once_even_if_it_is_sent_twice(limner: Limner, stub: Any) -> None:
    answer = httpx.Response(201, json={"change": "registered", "items": [ITEM]})
    stub.give(httpx.Response(503), answer)
    (made,) = limner.register_plugin("mine.py")
    assert (made.name, made.revision, made.state, made.python) == ("mine", 2, "active", None)
    first, second = stub.requests
    assert (second.method, second.url.path) == ("POST", "/api/v1/plugins")
    assert json.loads(second.content) == {"path": "mine.py"}
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]


def test_an_installed_plugin_is_registered_by_name_and_kind(limner: Limner, stub: Any) -> None:
    stub.give(httpx.Response(200, json={"change": "unchanged", "items": [ITEM]}))
    limner.register_plugin(name="mine", kind="strategy")
    assert json.loads(stub.requests[0].content) == {"name": "mine", "kind": "strategy"}


def test_a_plugin_is_retired(limner: Limner, stub: Any) -> None:
    stub.give(httpx.Response(204))
    limner.retire_plugin("app", "mine")
    (request,) = stub.requests
    assert (request.method, request.url.path) == ("DELETE", "/api/v1/plugins/app/mine")


def test_refusals_are_errors(limner: Limner, stub: Any) -> None:
    stub.give(httpx.Response(409, json={"detail": "used by liver"}))
    with pytest.raises(Conflicting, match="used by liver"):
        limner.retire_plugin("app", "mine")
    stub.replies[:] = [httpx.Response(403, json={"detail": "no admin token is set"})]
    with pytest.raises(AccessRefused, match="no admin token"):
        limner.register_plugin("mine.py")
