from __future__ import annotations

import os
from pathlib import Path

import pytest

from limner.engine.words import TAIL_LINES, WorkerLog


def written(log: WorkerLog, *chunks: bytes) -> None:
    reading, writing = os.pipe()
    follower = log.follow(reading)
    with open(writing, "wb") as pipe:
        for chunk in chunks:
            pipe.write(chunk)
    follower.join(5)
    assert not follower.is_alive()


def test_all_output_is_in_the_file_and_its_end_at_hand(tmp_path: Path) -> None:
    log = WorkerLog(tmp_path / "w.log")
    written(log, *(b"line %d\n" % number for number in range(100)))
    assert (tmp_path / "w.log").read_bytes().count(b"\n") == 100
    assert log.last_words().splitlines() == [f"line {n}" for n in range(100 - TAIL_LINES, 100)]


def test_a_new_worker_has_said_nothing_yet(tmp_path: Path) -> None:
    log = WorkerLog(tmp_path / "w.log")
    written(log, b"of the first\n")
    written(log)
    assert log.last_words() == ""
    written(log, b"of the third\n")
    assert (tmp_path / "w.log").read_text() == "of the first\nof the third\n"


def test_a_plugin_that_never_stops_printing_cannot_fill_the_disk(tmp_path: Path) -> None:
    log = WorkerLog(tmp_path / "w.log", most_bytes=10_000)
    written(log, *[b"x" * 5000 + b"\n"] * 100)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) <= 2
    assert max(sizes) <= 10_000 + 2 * 64 * 1024


@pytest.mark.parametrize("odd", [b"\xff\xfe broken text\n", "Käse\n".encode()[:2]])
def test_words_that_are_no_text_are_shown_as_far_as_they_go(tmp_path: Path, odd: bytes) -> None:
    log = WorkerLog(tmp_path / "w.log")
    written(log, odd)
    assert "�" in log.last_words()


def test_a_log_that_cannot_be_written_does_not_stop_the_worker(tmp_path: Path) -> None:
    log = WorkerLog(tmp_path / "absent" / "w.log")
    written(log, b"last words\n")
    assert log.last_words() == "last words"
