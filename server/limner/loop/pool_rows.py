"""What the database says of many samples, as arrays: a row for each sample, read part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from limner.plugin import FloatArray, IntArray
from limner.records import descriptions as description_rows
from limner.records import descriptors as descriptor_rows
from limner.records.database import Records
from limner.records.rows import Project

CHUNK = 20_000
"""Rows read at a time, each time in a transaction of its own."""


class Rows:
    """A matrix with a row for each sample, NaN until it is described; as wide as its first row."""

    def __init__(self, count: int) -> None:
        """Begin with `count` rows, none of them known."""
        self._count = count
        self.array: FloatArray | None = None

    def put(self, places: IntArray, values: Sequence[bytes | None]) -> None:
        """Fill rows in; a place of -1, no value or one of another width is passed over."""
        given = [
            (place, value)
            for place, value in zip(places.tolist(), values, strict=True)
            if place >= 0 and value is not None
        ]
        if not given:
            return
        if self.array is None:
            width = len(description_rows.floats(given[0][1]))
            self.array = np.full((self._count, width), np.nan, np.float32)
        width = self.array.shape[1]
        fitting = [pair for pair in given if len(pair[1]) == 4 * width]
        rows = description_rows.floats(b"".join(value for _, value in fitting))
        self.array[[place for place, _ in fitting]] = rows.reshape(-1, width)

    def known(self) -> FloatArray | None:
        """Return the rows that are filled in; None where none is."""
        if self.array is None:
            return None
        return self.array[~np.isnan(self.array).any(axis=1)]


class ScoreColumns:
    """Columns by the names of the scores, NaN until a sample is described."""

    def __init__(self, count: int) -> None:
        """Begin with `count` rows, none of them known."""
        self._count = count
        self.columns: dict[str, FloatArray] = {}

    def put(self, places: IntArray, values: Sequence[dict[str, float]]) -> None:
        """Fill rows in; a place of -1 is passed over."""
        for place, row in zip(places.tolist(), values, strict=True):
            if place < 0:
                continue
            for name, value in row.items():
                column = self.columns.get(name)
                if column is None:
                    column = self.columns[name] = np.full(self._count, np.nan, np.float32)
                column[place] = value


def places_of(ids: IntArray, sample_ids: IntArray) -> IntArray:
    """Return the row of each sample in the pool, -1 for those that are not in it."""
    if not len(ids):
        return np.full(len(sample_ids), -1, np.int64)
    places = np.minimum(np.searchsorted(ids, sample_ids), len(ids) - 1)
    return np.where(ids[places] == sample_ids, places, -1).astype(np.int64)


def ids_of(records: Records, project: Project, read: Callable[..., IntArray]) -> IntArray:
    """Return all ids that a query gives page by page, rising."""
    parts = [np.zeros(0, np.int64)]
    after = 0
    while True:
        with records.read() as tx:
            some = read(tx, project.id, after=after, limit=CHUNK)
        if not len(some):
            return np.concatenate(parts)
        parts.append(some)
        after = int(some[-1])


def descriptions(
    records: Records, model_id: int, columns: Sequence[str]
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield (sample id, *columns) of what a version says, by rising sample id, part by part."""
    return chunks(records, partial(description_rows.read, model_id=model_id, columns=columns))


def descriptors(records: Records, project_id: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield (sample id, embedding) of what the pixels say, by rising sample id, part by part."""
    return chunks(records, partial(descriptor_rows.read, project_id=project_id))


def chunks(
    records: Records, read: Callable[..., list[tuple[Any, ...]]]
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield what a query gives page by page; the first column of a row is where to go on."""
    after = 0
    while True:
        with records.read() as tx:
            rows = read(tx, after=after, limit=CHUNK)
        if not rows:
            return
        yield rows
        after = rows[-1][0]
