"""News: told to those who asked, in order, without waiting for anybody."""

from __future__ import annotations

import threading

from limner.loop.events import Events


def test_listeners_hear_what_they_asked_for_in_order() -> None:
    events = Events()
    with (
        events.subscribe() as everything,
        events.subscribe(project="a") as one,
        events.subscribe(job=7) as job,
    ):
        events.publish("label", "a", {"n": 1})
        events.publish("job", "b", {"n": 2}, job=7)
        events.publish("sample", "a", {"n": 3})
        heard = [everything.get(0) for _ in range(3)]
        assert [each.id for each in heard if each] == [1, 2, 3]
        assert [e.data["n"] for e in (one.get(0), one.get(0)) if e] == [1, 3]
        told = job.get(0)
        assert told is not None
        assert (told.kind, told.project, told.job) == ("job", "b", 7)
        assert job.get(0) is None


def test_a_slow_listener_loses_the_oldest_news() -> None:
    events = Events()
    with events.subscribe() as news:
        for number in range(1200):
            events.publish("job", "a", {"n": number})
        first = news.get(0)
        assert first is not None
        assert first.data["n"] == 200


def test_a_listener_that_left_hears_nothing() -> None:
    events = Events()
    with events.subscribe() as news:
        pass
    events.publish("job", "a", {})
    assert news.get(0) is None
    assert not news.is_open


def test_closing_wakes_those_who_wait() -> None:
    events = Events()
    news = events.subscribe()
    heard: list[object] = []
    thread = threading.Thread(target=lambda: heard.append(news.get(60)))
    thread.start()
    events.close()
    thread.join(timeout=20)
    assert heard == [None]
    assert not events.subscribe().is_open


def test_news_from_many_threads_comes_in_the_order_of_its_ids() -> None:
    events = Events()

    def tell() -> None:
        for _ in range(50):
            events.publish("job", "a", {})

    with events.subscribe() as news:
        threads = [threading.Thread(target=tell) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
        ids = [event.id for _ in range(400) if (event := news.get(0))]
    assert ids == list(range(1, 401))
