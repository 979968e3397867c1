"""Small tables: kept answers, store problems, the queue, the audit trail."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from limner.records import (
    audit,
    counts,
    idempotency,
    learning_curve,
    models,
    projects,
    store_problems,
)
from limner.records import queue as queue_rows
from limner.records import samples as sample_rows
from limner.records.database import Records
from limner.records.idempotency import KEPT_S, KeptAnswer
from limner.records.rows import Project, QueueEntry, Sample, SampleState


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records]:
    opened = Records.open(tmp_path_factory.mktemp("home"))
    yield opened
    opened.close()


@pytest.fixture
def tx(records: Records) -> Iterator[Connection]:
    """A transaction that is taken back at the end."""
    with records.read() as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def project(tx: Connection) -> Project:
    return projects.add(tx, name="p", app="a", schema=[], store={}, settings={}, created_at=0.0)


def answer(**changes: object) -> KeptAnswer:
    first = KeptAnswer(
        key="k",
        route="POST /x",
        request_sha256="a" * 64,
        status=201,
        body=b"{}",
        headers={"Location": "/x/1"},
        created_at=1000.0,
    )
    return replace(first, **changes)  # type: ignore[arg-type]


def test_an_answer_is_kept_by_key_and_route(tx: Connection) -> None:
    idempotency.put(tx, answer())
    assert idempotency.get(tx, "k", "POST /x", at=1001) == answer()
    assert idempotency.get(tx, "k", "POST /y", at=1001) is None
    assert idempotency.get(tx, "l", "POST /x", at=1001) is None


def test_the_first_answer_counts(tx: Connection) -> None:
    idempotency.put(tx, answer())
    assert idempotency.put(tx, answer(status=500)).status == 201


def test_an_answer_is_forgotten_after_a_day(tx: Connection) -> None:
    idempotency.put(tx, answer())
    later = 1000 + KEPT_S
    assert idempotency.get(tx, "k", "POST /x", at=later) is None
    assert idempotency.put(tx, answer(status=200, created_at=later)).status == 200
    assert idempotency.prune(tx, at=later + KEPT_S) == 1


def test_store_problems_are_told_once_a_path(tx: Connection, project: Project) -> None:
    store_problems.report(tx, project.id, {"a": "bad", "b": "worse"}, at=1)
    store_problems.report(tx, project.id, {"a": "better"}, at=2)
    found = store_problems.page(tx, project.id, after=0, limit=10)
    assert [(row.path, row.problem) for row in found] == [("a", "better"), ("b", "worse")]
    assert store_problems.settle(tx, project.id, ["a", "c"]) == 1
    assert store_problems.count(tx, project.id) == 1
    store_problems.settle_all(tx, project.id)
    assert store_problems.count(tx, project.id) == 0


def fill(tx: Connection, project: Project, count: int) -> list[Sample]:
    rows = [
        {
            "project_id": project.id,
            "name": f"s{number}",
            "files": [],
            "state": "ready",
            "draw": number / count,
            "created_at": 0.0,
        }
        for number in range(count)
    ]
    sample_rows.add_many(tx, rows)
    return list(sample_rows.walk(tx, project.id, batch=3))


def entry(sample: Sample) -> QueueEntry:
    return QueueEntry(sample_id=sample.id, strategy="s", score=None, reason="r", model_id=None)


def test_a_new_queue_leaves_out_what_cannot_be_handed_out(tx: Connection, project: Project) -> None:
    samples = fill(tx, project, 4)
    sample_rows.change(tx, samples[1].id, state=SampleState.LABELLED.value)
    sample_rows.change(tx, samples[2].id, is_validation=True)
    assert queue_rows.replace(tx, project.id, [entry(each) for each in samples]) == 2
    assert queue_rows.replace(tx, project.id, []) == 0
    found = projects.find(tx, project.id)
    assert found is not None
    assert found.queued == 0


def test_a_place_that_is_taken_makes_room_in_front(tx: Connection, project: Project) -> None:
    samples = fill(tx, project, 4)
    queue_rows.replace(tx, project.id, [entry(each) for each in samples[:2]])
    assert queue_rows.put_back(tx, project.id, entry(samples[2]), 0) == 1
    assert queue_rows.put_back(tx, project.id, entry(samples[2]), 5) == 0
    assert queue_rows.put_last(tx, project.id, entry(samples[3])) == 1
    assert queue_rows.put_last(tx, project.id, entry(samples[0])) == 0
    order = []
    while picked := queue_rows.first(tx, project.id, "ann", 1):
        order.append(picked.sample.name)
        assert queue_rows.remove(tx, picked.sample.id) == 1
    assert order == ["s2", "s1", "s3", "s0"]


def test_the_audit_trail_comes_newest_first_in_pages(tx: Connection, project: Project) -> None:
    for number in range(3):
        audit.write(
            tx,
            at=number,
            project_id=project.id,
            actor="ann",
            action=f"a{number}",
            subject="s",
            details={"n": number},
        )
    first = audit.page(tx, project.id, before=None, limit=2)
    assert [each.action for each in first] == ["a2", "a1"]
    rest = audit.page(tx, project.id, before=first[-1].id, limit=2)
    assert [(each.action, each.details) for each in rest] == [("a0", {"n": 0})]


def test_the_learning_curve_reads_headlines_only(tx: Connection, project: Project) -> None:
    for count, metrics in ((5, {"measure": "dice", "score": 0.5, "cases": 4}), (10, {})):
        models.add(
            tx,
            project_id=project.id,
            app="a",
            app_version="1",
            state="refused",
            seed=0,
            plan={},
            options={},
            metrics={**metrics, "method": "validation"},
            decision={},
            libraries={},
            notes=[],
            label_count=count,
            created_at=0.0,
        )
    curve = learning_curve.read(tx, project.id, limit=10)
    assert [(each.number, each.label_count, each.score) for each in curve] == [
        (1, 5, 0.5),
        (2, 10, None),
    ]
    assert [each.number for each in learning_curve.read(tx, project.id, limit=1)] == [2]


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("ready", {"samples"}),
        ("labelled", {"samples", "labelled", "validation"}),
        ("unreadable", {"samples", "unreadable"}),
        ("set_aside", {"samples", "set_aside"}),
        ("vanished", {"vanished"}),
        ("removed", set()),
    ],
)
def test_each_state_shows_in_its_counts(state: str, names: set[str]) -> None:
    assert set(counts.counted(state, is_validation=True)) == names


def test_rows_have_the_columns_of_their_tables() -> None:
    from limner.records import rows, tables

    pairs: dict[type[Any], Any] = {
        rows.Project: tables.projects,
        rows.Sample: tables.samples,
        rows.Label: tables.labels,
        rows.Assignment: tables.assignments,
        rows.ModelVersion: tables.model_versions,
        rows.StoredPrediction: tables.predictions,
        rows.Job: tables.jobs,
        rows.AuditEntry: tables.audit,
        rows.StoreProblem: tables.store_problems,
        KeptAnswer: tables.idempotency,
    }
    for row, table in pairs.items():
        names = {each.name for each in dataclasses.fields(row)}
        assert names == {column.name for column in table.columns}, table.name


def test_a_home_given_as_url_opens_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.sqlite'}"
    Records.open(url).close()
    assert (tmp_path / "other.sqlite").is_file()
