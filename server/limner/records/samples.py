"""Queries on samples. Every function runs inside the caller's transaction.

None reads more rows than it returns, save for the few that the conditions of `availability` pass
over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, select, update

from limner.records import availability
from limner.records.availability import IN_VALIDATION, NOT_IN_VALIDATION, READY
from limner.records.rows import Sample, SampleState
from limner.records.tables import descriptions, descriptors, predictions, samples

_BY_ID = select(samples).where(samples.c.id == bindparam("id"))
_OF_PROJECT = _BY_ID.where(samples.c.project_id == bindparam("project_id"))
_BY_NAME = select(samples).where(
    samples.c.project_id == bindparam("project_id"), samples.c.name == bindparam("name")
)
_INSERT = insert(samples)
_CHANGE = update(samples).where(samples.c.id == bindparam("row_id")).returning(*samples.c)
_LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Known:
    """What tells whether a sample's files have changed."""

    id: int
    name: str
    files: list[str]
    state: str
    size_bytes: int
    modified_ns: int


_KNOWN = (
    samples.c.id,
    samples.c.name,
    samples.c.files,
    samples.c.state,
    samples.c.size_bytes,
    samples.c.modified_ns,
)
_KNOWN_BY_NAME = select(*_KNOWN).where(
    samples.c.project_id == bindparam("project_id"),
    samples.c.name.in_(bindparam("names", expanding=True)),
)
_NAMES_BEYOND = (
    select(samples.c.id, samples.c.name, samples.c.state)
    .where(samples.c.project_id == bindparam("project_id"), samples.c.id > bindparam("after"))
    .order_by(samples.c.id)
    .limit(bindparam("limit"))
)


def find(tx: Connection, sample_id: int, *, project_id: int | None = None) -> Sample | None:
    """Return a sample by its id, of one project where that is given."""
    if project_id is None:
        return _row(tx.execute(_BY_ID, {"id": sample_id}).one_or_none())
    values = {"id": sample_id, "project_id": project_id}
    return _row(tx.execute(_OF_PROJECT, values).one_or_none())


def by_name(tx: Connection, project_id: int, name: str) -> Sample | None:
    """Return a project's sample by its name."""
    values = {"project_id": project_id, "name": name}
    return _row(tx.execute(_BY_NAME, values).one_or_none())


def page(
    tx: Connection,
    project_id: int,
    *,
    after: int | str | None,
    limit: int,
    state: SampleState | None = None,
    prefix: str | None = None,
) -> list[Sample]:
    """List a project's samples: in the order they were taken in, or of their names.

    Args:
        tx: The transaction.
        project_id: Whose samples.
        after: Where to go on: the last sample's id, or its name where a prefix is given.
        limit: How many at most.
        state: Only samples in this state; None for all but removed ones.
        prefix: Only samples whose name begins so, in the order of their names.
    """
    query = select(samples).where(samples.c.project_id == project_id)
    if state is not None:
        query = query.where(samples.c.state == state.value)
    else:
        query = query.where(samples.c.state != SampleState.REMOVED.value)
    if prefix is None:
        query = query.where(samples.c.id > (after if isinstance(after, int) else 0))
        query = query.order_by(samples.c.id)
    else:
        query = query.where(samples.c.name >= prefix, samples.c.name < prefix + _LAST)
        if isinstance(after, str):
            query = query.where(samples.c.name > after)
        query = query.order_by(samples.c.name)
    return [Sample(**row._mapping) for row in tx.execute(query.limit(limit))]


def known(tx: Connection, project_id: int, names: Sequence[str]) -> dict[str, Known]:
    """Return what is known of samples, by name; some hundred names at a time."""
    rows = tx.execute(_KNOWN_BY_NAME, {"project_id": project_id, "names": names})
    return {row.name: Known(*row) for row in rows}


def names_beyond(
    tx: Connection, project_id: int, *, after: int, limit: int
) -> Sequence[tuple[int, str, str]]:
    """Return (id, name, state) of a project's samples beyond an id, rising."""
    values = {"project_id": project_id, "after": after, "limit": limit}
    return [(row.id, row.name, row.state) for row in tx.execute(_NAMES_BEYOND, values)]


def newest_id(tx: Connection, project_id: int) -> int:
    """Return the largest id of a project's samples; 0 when it has none."""
    query = select(func.max(samples.c.id)).where(samples.c.project_id == project_id)
    return tx.execute(query).scalar() or 0


def add_many(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Take samples in; rows hold all columns without `id` that have no default."""
    if rows:
        tx.execute(_INSERT, list(rows))


def change(tx: Connection, sample_id: int, **values: Any) -> Sample:
    """Set columns of a sample that exists and return it as it is now."""
    return Sample(**tx.execute(_CHANGE, {"row_id": sample_id, **values}).one()._mapping)


def of_ids(tx: Connection, sample_ids: Collection[int]) -> list[Sample]:
    """Return samples by their ids; some hundred at a time."""
    rows = tx.execute(select(samples).where(samples.c.id.in_(list(sample_ids))))
    return [Sample(**row._mapping) for row in rows]


def set_state(tx: Connection, sample_ids: Collection[int], state: str, *, reason: str) -> None:
    """Put samples into one state; some hundred at a time."""
    query = update(samples).where(samples.c.id.in_(list(sample_ids)))
    tx.execute(query.values(state=state, reason=reason))


def forget_descriptions(tx: Connection, sample_id: int) -> None:
    """Delete what every version, and its pixels, said of a sample whose image has changed.

    Stored predictions tell by `modified_ns` that they are out of date; descriptions cannot.
    """
    tx.execute(_FORGET, {"id": sample_id})
    tx.execute(_FORGET_PIXELS, {"id": sample_id})


def outdate_predictions(tx: Connection, sample_id: int) -> None:
    """Have what was predicted for a sample made again, though its file's time is as it was."""
    tx.execute(_OUTDATE, {"id": sample_id})


_OUTDATE = (
    predictions.update().where(predictions.c.sample_id == bindparam("id")).values(modified_ns=-1)
)

_FORGET = descriptions.delete().where(descriptions.c.sample_id == bindparam("id"))
_FORGET_PIXELS = descriptors.delete().where(descriptors.c.sample_id == bindparam("id"))


def _draws(several: bool) -> dict[str, Select[Any]]:
    may_get = availability.for_several_readings() if several else availability.for_one_reading()
    query = select(samples).where(samples.c.project_id == bindparam("project_id"), *may_get)
    # Labelled once, a ready sample with a label is labelled in part, and may have been learnt from.
    unlearnt = () if several else (samples.c.label_id.is_(None),)
    return {
        "first": query.where(NOT_IN_VALIDATION).order_by(samples.c.draw).limit(1),
        "last": query.where(NOT_IN_VALIDATION, *unlearnt).order_by(samples.c.draw.desc()).limit(1),
        "named": query.where(NOT_IN_VALIDATION).order_by(samples.c.name).limit(1),
        "waiting": query.where(IN_VALIDATION).order_by(samples.c.id).limit(1),
    }


_DRAWS = {several: _draws(several) for several in (False, True)}


def first_drawn(tx: Connection, project_id: int, annotator: str, readings: int) -> Sample | None:
    """Return the first sample of the random order that this annotator may get for training."""
    return _draw(tx, "first", project_id, annotator, readings)


def last_drawn(tx: Connection, project_id: int, annotator: str, readings: int) -> Sample | None:
    """Return the last sample of the random order that this annotator may get.

    The validation set is drawn from that end. The other end is handed out for training when the
    queue is empty, so what was drawn for one never decides what is left for the other.
    """
    return _draw(tx, "last", project_id, annotator, readings)


def first_named(tx: Connection, project_id: int, annotator: str, readings: int) -> Sample | None:
    """Return the sample that this annotator may get for training whose name comes first."""
    return _draw(tx, "named", project_id, annotator, readings)


def validation_waiting(
    tx: Connection, project_id: int, annotator: str, readings: int
) -> Sample | None:
    """Return a sample of the validation set that lacks a label and that this annotator may get."""
    return _draw(tx, "waiting", project_id, annotator, readings)


_VALIDATION_READY = (
    select(func.count())
    .select_from(samples)
    .where(samples.c.project_id == bindparam("project_id"), READY, IN_VALIDATION)
)


def validation_ready(tx: Connection, project_id: int) -> int:
    """Count the samples of the validation set that lack a label, held ones included."""
    return tx.execute(_VALIDATION_READY, {"project_id": project_id}).scalar_one()


def walk(tx: Connection, project_id: int, *, batch: int = 1000) -> Iterator[Sample]:
    """Yield every sample of a project, page by page; for background work only."""
    after = 0
    while rows := page(tx, project_id, after=after, limit=batch):
        yield from rows
        after = rows[-1].id


def by_names(tx: Connection, project_id: int, names: Collection[str]) -> dict[str, Sample]:
    """Return samples by name; some hundred names at a time."""
    query = select(samples).where(
        samples.c.project_id == project_id, samples.c.name.in_(list(names))
    )
    return {row.name: Sample(**row._mapping) for row in tx.execute(query)}


def _draw(
    tx: Connection, which: str, project_id: int, annotator: str, readings: int
) -> Sample | None:
    values = {
        "project_id": project_id,
        availability.ANNOTATOR: annotator,
        availability.READINGS: readings,
    }
    several = readings > 1
    if not several:
        del values[availability.READINGS]
    return _row(tx.execute(_DRAWS[several][which], values).one_or_none())


def _row(row: Row[Any] | None) -> Sample | None:
    return None if row is None else Sample(**row._mapping)
