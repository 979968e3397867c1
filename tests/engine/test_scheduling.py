from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from limner.engine.scheduling import FairQueue


def drained(queue: FairQueue[str]) -> list[str]:
    taken = []
    while (entry := queue.pop()) is not None:
        taken.append(entry)
    return taken


def test_clients_take_turns_whoever_came_first_with_most() -> None:
    queue = FairQueue[str]()
    for number in range(100):
        queue.push(f"a{number}", level=0, client="a")
    queue.push("b0", level=0, client="b")
    queue.push("b1", level=0, client="b")
    assert drained(queue)[:5] == ["a0", "b0", "a1", "b1", "a2"]


def test_a_lower_level_goes_before_everything_of_a_higher_one() -> None:
    queue = FairQueue[str]()
    queue.push("bulk", level=1, client="a")
    queue.push("interactive", level=0, client="b")
    assert queue.peek() == "interactive"
    assert drained(queue) == ["interactive", "bulk"]


def test_what_is_put_back_goes_first_of_its_level() -> None:
    queue = FairQueue[str]()
    queue.push("a", level=0, client="a")
    queue.push("b", level=0, client="b")
    queue.push("again", level=0, client="c", first=True)
    assert drained(queue) == ["again", "a", "b"]


def test_what_is_removed_is_gone_and_cannot_be_removed_twice() -> None:
    queue = FairQueue[str]()
    queue.push("a", level=0, client="a")
    queue.push("b", level=0, client="a")
    assert queue.remove("a")
    assert not queue.remove("a")
    assert drained(queue) == ["b"]


def test_clients_without_work_leave_no_trace() -> None:
    queue = FairQueue[int]()
    for number in range(1000):
        queue.push(number, level=0, client=f"client {number}")
        queue.pop()
    assert queue._levels == {}
    assert len(queue) == 0


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from("abc")), max_size=30))
def test_everything_comes_out_once_and_in_its_clients_order(
    pushes: list[tuple[int, str]],
) -> None:
    queue = FairQueue[tuple[int, str, int]]()
    entries = [(level, client, place) for place, (level, client) in enumerate(pushes)]
    for entry in entries:
        queue.push(entry, level=entry[0], client=entry[1])
    assert len(queue) == len(entries)
    taken: list[tuple[int, str, int]] = []
    while (entry_or_none := queue.pop()) is not None:
        assert len(queue) == len(entries) - len(taken) - 1
        taken.append(entry_or_none)
    assert sorted(taken) == sorted(entries)
    assert [entry[0] for entry in taken] == sorted(entry[0] for entry in entries)
    for level in (0, 1):
        for client in "abc":
            places = [place for lev, cli, place in taken if (lev, cli) == (level, client)]
            assert places == sorted(places)
