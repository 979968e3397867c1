"""The pool as arrays: what a strategy asked to see of it, and nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from limner.plugin import FloatArray, IntArray, Json, Need, Pool
from limner.records import descriptions as description_rows
from limner.records import descriptors as descriptor_rows
from limner.records.database import Records
from limner.records.rows import Project

_CHUNK = 20_000
"""Rows read at a time, each time in a transaction of its own."""

_COLUMNS = {
    Need.SCORES: ("scores",),
    Need.CLASSES: ("class_scores", "class_fractions"),
    Need.EMBEDDING: ("embedding",),
    Need.COST: (),  # nothing predicts minutes yet
}


def assemble(
    records: Records,
    project: Project,
    model_id: int | None,
    needs: frozenset[Need],
    options: Mapping[str, Json] = MappingProxyType({}),
    *,
    by_pixels: bool = False,
) -> Pool:
    """Read the pool of a project: ready samples, those drawn for validation left out.

    Args:
        records: The database.
        project: Whose pool.
        model_id: The version whose descriptions count; None before there is one.
        needs: What the strategy declared.
        options: The strategy's, as the project sets them.
        by_pixels: Take descriptors of the pixels for embeddings, and nothing that a version says.
    """
    ready = _ids(records, project, description_rows.ready_ids)
    with records.read() as tx:
        drawn = description_rows.validation_ids(tx, project.id)
    ids = np.setdiff1d(ready, drawn, assume_unique=True)
    columns = ["embedding"] if by_pixels else _columns(model_id, needs)
    if not columns:
        return Pool(ids=ids, round=project.round, options=dict(options))
    labelled = (
        _ids(records, project, description_rows.labelled_ids)
        if Need.EMBEDDING in needs
        else np.zeros(0, np.int64)
    )
    scores = _Scores(len(ids))
    arrays = {name: _Rows(len(ids)) for name in columns if name != "scores"}
    of_labelled = _Rows(len(labelled))
    chunks = (
        _descriptors(records, project.id)
        if model_id is None or by_pixels
        else _descriptions(records, model_id, columns)
    )
    for chunk in chunks:
        sample_ids = np.fromiter((row[0] for row in chunk), np.int64, len(chunk))
        places = _places(ids, sample_ids)
        for number, name in enumerate(columns, start=1):
            values = [row[number] for row in chunk]
            if name == "scores":
                scores.put(places, values)
            else:
                arrays[name].put(places, values)
            if name == "embedding":
                of_labelled.put(_places(labelled, sample_ids), values)
    return Pool(
        ids=ids,
        scores=scores.columns,
        class_scores=_array(arrays, "class_scores"),
        class_fractions=_array(arrays, "class_fractions"),
        embedding=_array(arrays, "embedding"),
        labelled_embedding=of_labelled.known() if Need.EMBEDDING in needs else None,
        round=project.round,
        options=dict(options),
    )


def _columns(model_id: int | None, needs: frozenset[Need]) -> list[str]:
    """Return the columns of descriptions that tell what is needed; none before a model."""
    if model_id is None:
        return []
    return [name for need in sorted(needs) for name in _COLUMNS[need]]


class _Rows:
    """A matrix with a row for each sample, NaN until it is described; as wide as its first row."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.array: FloatArray | None = None

    def put(self, places: IntArray, values: Sequence[bytes | None]) -> None:
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
        if self.array is None:
            return None
        return self.array[~np.isnan(self.array).any(axis=1)]


class _Scores:
    """Columns by the names of the scores, NaN until a sample is described."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.columns: dict[str, FloatArray] = {}

    def put(self, places: IntArray, values: Sequence[dict[str, float]]) -> None:
        for place, row in zip(places.tolist(), values, strict=True):
            if place < 0:
                continue
            for name, value in row.items():
                column = self.columns.get(name)
                if column is None:
                    column = self.columns[name] = np.full(self._count, np.nan, np.float32)
                column[place] = value


def _array(arrays: dict[str, _Rows], name: str) -> FloatArray | None:
    return arrays[name].array if name in arrays else None


def _places(ids: IntArray, sample_ids: IntArray) -> IntArray:
    """Return the row of each sample in the pool, -1 for those that are not in it."""
    if not len(ids):
        return np.full(len(sample_ids), -1, np.int64)
    places = np.minimum(np.searchsorted(ids, sample_ids), len(ids) - 1)
    return np.where(ids[places] == sample_ids, places, -1).astype(np.int64)


def _ids(records: Records, project: Project, read: Callable[..., IntArray]) -> IntArray:
    parts = [np.zeros(0, np.int64)]
    after = 0
    while True:
        with records.read() as tx:
            some = read(tx, project.id, after=after, limit=_CHUNK)
        if not len(some):
            return np.concatenate(parts)
        parts.append(some)
        after = int(some[-1])


def _descriptions(
    records: Records, model_id: int, columns: Sequence[str]
) -> Iterator[list[tuple[Any, ...]]]:
    return _chunks(records, partial(description_rows.read, model_id=model_id, columns=columns))


def _descriptors(records: Records, project_id: int) -> Iterator[list[tuple[Any, ...]]]:
    return _chunks(records, partial(descriptor_rows.read, project_id=project_id))


def _chunks(
    records: Records, read: Callable[..., list[tuple[Any, ...]]]
) -> Iterator[list[tuple[Any, ...]]]:
    after = 0
    while True:
        with records.read() as tx:
            rows = read(tx, after=after, limit=_CHUNK)
        if not rows:
            return
        yield rows
        after = rows[-1][0]
