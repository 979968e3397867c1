"""The pool as arrays: what a strategy asked to see of it, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from limner.loop.gains import NEWEST, bought
from limner.loop.pool_minutes import predicted_minutes
from limner.loop.pool_rows import (
    Rows,
    ScoreColumns,
    descriptions,
    descriptors,
    ids_of,
    places_of,
)
from limner.plugin import FloatArray, Json, Need, Pool
from limner.records import descriptions as description_rows
from limner.records import trials as trial_rows
from limner.records.database import Records
from limner.records.rows import Project

_COLUMNS = {
    Need.SCORES: ("scores",),
    Need.CLASSES: ("class_scores", "class_fractions"),
    Need.EMBEDDING: ("embedding",),
    Need.COST: (),  # comes of other columns, see `predicted_minutes`
    Need.BOUGHT: (),  # comes of trials, see `gains`
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
    ready = ids_of(records, project, description_rows.ready_ids)
    with records.read() as tx:
        drawn = description_rows.validation_ids(tx, project.id)
        is_asked = Need.BOUGHT in needs
        tried = trial_rows.newest(tx, project.id, limit=NEWEST) if is_asked else ()
    ids = np.setdiff1d(ready, drawn, assume_unique=True)
    columns = ["embedding"] if by_pixels else _columns(model_id, needs)
    cost = None
    if Need.COST in needs and model_id is not None:
        cost = predicted_minutes(records, project, model_id, ids)
    if not columns:
        return Pool(
            ids=ids, cost=cost, bought=bought(tried), round=project.round, options=dict(options)
        )
    labelled = (
        ids_of(records, project, description_rows.labelled_ids)
        if Need.EMBEDDING in needs
        else np.zeros(0, np.int64)
    )
    scores = ScoreColumns(len(ids))
    arrays = {name: Rows(len(ids)) for name in columns if name != "scores"}
    of_labelled = Rows(len(labelled))
    chunks = (
        descriptors(records, project.id)
        if model_id is None or by_pixels
        else descriptions(records, model_id, columns)
    )
    for chunk in chunks:
        sample_ids = np.fromiter((row[0] for row in chunk), np.int64, len(chunk))
        places = places_of(ids, sample_ids)
        for number, name in enumerate(columns, start=1):
            values = [row[number] for row in chunk]
            if name == "scores":
                scores.put(places, values)
            else:
                arrays[name].put(places, values)
            if name == "embedding":
                of_labelled.put(places_of(labelled, sample_ids), values)
    return Pool(
        ids=ids,
        scores=scores.columns,
        class_scores=_array(arrays, "class_scores"),
        class_fractions=_array(arrays, "class_fractions"),
        embedding=_array(arrays, "embedding"),
        labelled_embedding=of_labelled.known() if Need.EMBEDDING in needs else None,
        cost=cost,
        bought=bought(tried),
        round=project.round,
        options=dict(options),
    )


def _columns(model_id: int | None, needs: frozenset[Need]) -> list[str]:
    """Return the columns of descriptions that tell what is needed; none before a model."""
    if model_id is None:
        return []
    return [name for need in sorted(needs) for name in _COLUMNS[need]]


def _array(arrays: dict[str, Rows], name: str) -> FloatArray | None:
    return arrays[name].array if name in arrays else None
