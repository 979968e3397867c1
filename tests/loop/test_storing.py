from __future__ import annotations

import threading

import pytest

from limner.errors import StorageFull
from limner.loop.storing import Storing


def test_work_runs_beside_its_caller_and_one_at_a_time() -> None:
    storing, gate, order = Storing(), threading.Event(), list[str]()

    def first() -> None:
        assert gate.wait(10)
        order.append("first")

    storing.begin(first)
    order.append("meanwhile")
    gate.set()
    storing.begin(lambda: order.append("second"))
    storing.settle()
    assert order == ["meanwhile", "first", "second"]
    storing.close()


def test_what_went_wrong_is_raised_by_the_next_call_and_the_next_work_is_done() -> None:
    storing, done = Storing(), list[str]()

    def full() -> None:
        raise StorageFull("no room")

    storing.begin(full)
    with pytest.raises(StorageFull):
        storing.begin(lambda: done.append("next"))
    storing.settle()
    assert done == ["next"]
    storing.begin(full)
    with pytest.raises(StorageFull):
        storing.close()
    storing.close()
