from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from limner.engine.link import Link, LinkClosed


@pytest.fixture
def pair() -> Iterator[tuple[Link, Link]]:
    left, right = socket.socketpair()
    links = Link(left, plain=True, patience_s=0.2), Link(right, plain=False)
    yield links
    for link in links:
        link.close()


def test_messages_arrive_in_order_whole_and_with_their_arrays(pair: tuple[Link, Link]) -> None:
    left, right = pair
    messages: list[object] = [
        {"small": 1},
        np.arange(1 << 18),
        "x" * (1 << 22),
        [np.ones(1 << 18), np.zeros(1 << 17, np.int8)],
    ]

    def send() -> None:
        for message in messages:
            right.send(message)

    sender = threading.Thread(target=send)
    sender.start()
    received = [left.receive() for _ in messages]
    sender.join()
    assert received[0] == messages[0]
    assert received[2] == messages[2]
    assert np.array_equal(received[1], messages[1])  # type: ignore[arg-type]
    assert isinstance(received[3], list)
    assert received[3][0].sum() == 1 << 18


def test_messages_of_many_threads_do_not_mix(pair: tuple[Link, Link]) -> None:
    left, right = pair

    def send(number: int) -> None:
        for each in range(20):
            right.send((number, each, "x" * 50_000))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    received = [left.receive() for _ in range(80)]
    for thread in threads:
        thread.join()
    heads = [message[:2] for message in received if isinstance(message, tuple)]
    assert sorted(heads) == [(n, k) for n in range(4) for k in range(20)]


def test_an_ended_peer_is_noticed_by_both_directions(pair: tuple[Link, Link]) -> None:
    left, right = pair
    right.close()
    with pytest.raises(LinkClosed):
        left.receive()
    with pytest.raises(LinkClosed):
        left.send("x" * (1 << 22))


def test_a_peer_that_stops_half_way_is_given_up(pair: tuple[Link, Link]) -> None:
    left, right = pair
    os.write(right.fileno(), b"\0\0\0")
    with pytest.raises(LinkClosed, match="timed out"):
        left.receive()


@pytest.mark.parametrize("head", [b"\xff" * 12, b"\xff" * 8 + b"\0" * 4, b"\0" * 11 + b"\1"])
def test_nonsense_is_refused_before_memory_is_taken_for_it(
    pair: tuple[Link, Link], head: bytes
) -> None:
    left, right = pair
    os.write(right.fileno(), head)
    with pytest.raises(LinkClosed, match="made no sense"):
        left.receive()


def test_sending_leaves_no_descriptor_open(pair: tuple[Link, Link]) -> None:
    left, right = pair
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(5):
        right.send(np.zeros(1 << 20, np.uint8))
        left.receive()
    assert set(os.listdir("/proc/self/fd")) == before
