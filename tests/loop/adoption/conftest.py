"""Projects of every task whose finished labels are adopted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from limner.records import store_problems


class Seen:
    """What can be seen of the project `liver`."""

    def __init__(self, house: Any) -> None:
        self._house = house

    def problems(self) -> dict[str, str]:
        """Return the problems by the end of their place."""
        project = self._house.projects.get("liver")
        with self._house.records.read() as tx:
            rows = store_problems.page(tx, project.id, after=0, limit=1000)
        return {row.path.rpartition("/")[2]: row.problem for row in rows}

    def labels(self) -> dict[str, list[Any]]:
        """Return the labels of every sample that has some, newest first."""
        samples = self._house.samples.list("liver", limit=1000).items
        found = {each.name: self._house.labels.list("liver", each.id) for each in samples}
        return {name: each for name, each in found.items() if each}

    def content(self, label: Any) -> Any:
        return json.loads(self._house.labels.content(label.id)[0].read_bytes())

    def classes(self) -> dict[str, list[str]]:
        return {name: self.content(found[0])["classes"] for name, found in self.labels().items()}


@pytest.fixture
def seen(house: Any) -> Seen:
    return Seen(house)


@pytest.fixture
def make(house: Any) -> Callable[..., Any]:
    """Make the project `liver` of a task, after its pictures and finished labels were written."""

    def make(app: str, adopt: Path, *, labels: Any = ("cat", "dog"), **settings: Any) -> Any:
        settings = {"validation_share": 0, **settings}
        config = house.config(app=app, adopt=adopt, labels=list(labels), settings=settings)
        house.projects.create(config)
        # Every file has changed since, so none is recognised by its time alone.
        house.clock.now = 1_000_000_000.0
        house.report = house.ingest.sync("liver")
        return house

    return make
