"""Kept counts stay what counting would find, whatever happens in whatever order."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from limner.errors import Conflict, ImageError, NotFound
from limner.loop.assign import Lent

STEPS = 150


class Walk:
    """Does something possible at random, over and over."""

    def __init__(self, house: Any, seed: int) -> None:
        self.house = house
        self.random = random.Random(seed)
        self.assignments: list[int] = []
        self.labels: list[int] = []
        self.files = 0
        for _ in range(12):
            self.add_file()
        house.ingest.sync("liver")

    def step(self) -> str:
        action = self.random.choice(
            [self.next] * 6
            + [self.submit] * 5
            + [self.release, self.skip, self.renew, self.review, self.expire, self.requeue]
            + [self.look, self.put_aside, self.remove, self.unlabelled_draft]
            + [self.keep, self.withdraw]
        )
        try:
            action()
        except (Conflict, ImageError, NotFound):
            return f"{action.__name__} refused"
        return action.__name__

    def add_file(self) -> None:
        self.house.volume(f"f{self.files:03d}.nii", seed=self.files)
        self.files += 1

    def annotator(self) -> str:
        return f"a{self.random.randrange(4)}"

    def sample(self) -> Any:
        return self.random.choice(self.house.samples.list("liver", limit=500).items)

    def assignment(self) -> int:
        if not self.assignments:
            raise Conflict("none yet")
        return self.random.choice(self.assignments[-10:])

    def next(self) -> None:
        strategy = self.random.choice([None, None, "random", "first"])
        answer = self.house.assignments.next("liver", self.annotator(), strategy)
        if isinstance(answer, Lent):
            self.assignments.append(answer.assignment.id)

    def submit(self) -> None:
        number = self.assignment()
        assignment = self.house.assignments.get(number)
        given = self.house.submit(
            assignment.sample_id,
            assignment.annotator,
            assignment_id=number,
            fill=self.random.choice([1, 2]),
        )
        self.labels.append(given.label.id)

    def unlabelled_draft(self) -> None:
        given = self.house.submit(
            self.sample().id, self.annotator(), state=self.random.choice(["draft", "submitted"])
        )
        self.labels.append(given.label.id)

    def keep(self) -> None:
        """Keep a draft under a tag, which counts nowhere."""
        self.house.submit(self.sample().id, self.annotator(), state="draft", tag="original")

    def withdraw(self) -> None:
        tag = self.random.choice(["", "original"])
        self.house.tags.withdraw("liver", self.sample().id, tag, "chief")

    def release(self) -> None:
        self.house.assignments.release(self.assignment())

    def skip(self) -> None:
        self.house.assignments.skip(self.assignment(), "blurred")

    def renew(self) -> None:
        self.house.assignments.renew(self.assignment())

    def review(self) -> None:
        if self.labels:
            verdict = self.random.choice(["approved", "rejected"])
            self.house.labels.review(self.random.choice(self.labels), verdict, "chief")

    def expire(self) -> None:
        self.house.clock.now += 7200

    def requeue(self) -> None:
        samples = self.house.samples.list("liver", limit=500).items
        self.house.queue(self.random.sample(samples, len(samples) // 2))

    def put_aside(self) -> None:
        state = self.random.choice(["ready", "ready", "set_aside"])
        self.house.samples.change("liver", self.sample().id, state=state, actor="chief")

    def remove(self) -> None:
        self.house.samples.delete("liver", self.sample().id, "chief")

    def look(self) -> None:
        """Add, break, change or take away files, and look at the store."""
        self.add_file()
        for path in self.random.sample(sorted(self.house.images.iterdir()), 3):
            what = self.random.randrange(4)
            if what == 0:
                path.write_bytes(b"broken")
            elif what == 1:
                path.unlink()
            else:
                shape = self.random.choice([(5, 4, 3), (5, 4, 3), (6, 4, 3)])
                self.house.volume(path.name, shape=shape)
                os.utime(path, ns=(self.random.randrange(10**9), self.random.randrange(10**9)))
        self.house.ingest.sync("liver")


@pytest.mark.parametrize("readings", [1, 2])
@pytest.mark.parametrize("seed", [1, 2])
def test_kept_counts_are_what_counting_finds(house: Any, seed: int, readings: int) -> None:
    house.project(
        readings=readings, validation_share=0.34, validation_target=4, skips_until_set_aside=2
    )
    walk = Walk(house, seed)
    done = []
    for _ in range(STEPS):
        done.append(walk.step())
        assert house.kept_counts() == house.scanned_counts(), done[-5:]
    assert len(set(done)) > 12
    check_standing(house, readings)


def check_standing(house: Any, readings: int) -> None:
    """Every sample stands where its labels put it, and the queue holds nothing else than ready."""
    with house.records.read() as tx:
        rows = tx.exec_driver_sql(
            "SELECT s.id, s.state, s.label_id, s.readings, "
            "(SELECT l.id FROM labels l WHERE l.sample_id = s.id AND l.state IN "
            "('submitted', 'approved') ORDER BY l.version DESC LIMIT 1) AS newest, "
            "(SELECT count(DISTINCT l.author) FROM labels l WHERE l.sample_id = s.id AND l.state "
            "IN ('submitted', 'approved')) AS authors, "
            "(SELECT count(*) FROM assignments a WHERE a.sample_id = s.id AND a.state = 'held') "
            "AS held, (SELECT count(*) FROM queue q WHERE q.sample_id = s.id) AS queued "
            "FROM samples s"
        ).all()
    for row in rows:
        assert row.label_id == row.newest, row
        assert row.readings == row.authors, row
        assert row.held <= readings, row
        if row.state == "labelled":
            assert row.authors >= readings, row
        if row.state == "ready":
            assert row.authors < readings, row
        if row.queued:
            assert row.state == "ready", row
