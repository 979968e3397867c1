from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from typing import cast

import pytest

from limner.errors import StorageFull
from limner.loop.prediction_files import Made, PredictionFiles
from limner.loop.prediction_keeper import MOST_WAITING, PredictionKeeper
from limner.records.rows import Sample


class Files:
    """Stores nothing, and that only while it may."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.has_begun = threading.Event()
        self.fails = False
        self.stored: list[tuple[int, list[int]]] = []

    def store(self, project_id: int, model_id: int, made: Sequence[Made]) -> None:
        self.has_begun.set()
        assert self.may_go_on.wait(30)
        if self.fails:
            raise StorageFull("The disk is full.")
        self.stored.append((model_id, [each.sample.id for each in made]))


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def keeper(files: Files) -> PredictionKeeper:
    return PredictionKeeper(cast(PredictionFiles, files))


def sample(number: int, modified_ns: int = 7) -> Sample:
    values = dict.fromkeys((each.name for each in dataclasses.fields(Sample)), None)
    return Sample(**{**values, "id": number, "modified_ns": modified_ns})  # type: ignore[arg-type]


def made(number: int) -> Made:
    return Made(sample=sample(number), file=b"mask", suffix=".nii.gz")


def test_what_waits_is_found_until_it_is_stored(files: Files, keeper: PredictionKeeper) -> None:
    keeper.keep(1, 5, waiting := made(3))
    assert keeper.find(5, sample(3)) is waiting
    assert keeper.find(5, sample(3, modified_ns=8)) is None
    assert keeper.find(6, sample(3)) is None
    files.may_go_on.set()
    keeper.stop()
    assert keeper.find(5, sample(3)) is None
    assert files.stored == [(5, [3])]


def test_what_waits_together_is_stored_together(files: Files, keeper: PredictionKeeper) -> None:
    keeper.keep(1, 5, made(1))
    assert files.has_begun.wait(30)
    for model, number in ((5, 2), (6, 3), (5, 4), (5, 2)):
        keeper.keep(1, model, made(number))
    files.may_go_on.set()
    keeper.stop()
    assert files.stored == [(5, [1]), (5, [2, 4]), (6, [3])]


def test_a_full_disk_loses_a_prediction_and_nothing_else(
    files: Files, keeper: PredictionKeeper
) -> None:
    files.may_go_on.set()
    files.fails = True
    keeper.keep(1, 5, made(1))
    keeper.stop()
    files.fails = False
    keeper.keep(1, 5, made(2))
    keeper.stop()
    assert files.stored == [(5, [2])]
    assert keeper.find(5, sample(1)) is None


def test_who_brings_too_much_stores_it_first(files: Files, keeper: PredictionKeeper) -> None:
    keeper.keep(1, 5, made(0))
    assert files.has_begun.wait(30)
    for number in range(1, MOST_WAITING + 1):
        keeper.keep(1, 5, made(number))
    brings = threading.Thread(target=keeper.keep, args=(1, 5, made(1000)))
    brings.start()
    files.may_go_on.set()
    brings.join(30)
    keeper.stop()
    assert sorted(n for _, stored in files.stored for n in stored) == [
        *range(MOST_WAITING + 1),
        1000,
    ]
