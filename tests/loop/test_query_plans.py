"""No request reads a table from end to end: SQLite's own plans say so."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from limner.records import audit, idempotency, store_problems
from limner.records import labels as label_rows
from limner.records import samples as sample_rows
from limner.records import suspects as suspect_rows
from limner.records import tags as tag_rows
from limner.records import trials as trial_rows
from limner.records.idempotency import KeptAnswer
from limner.records.rows import Suspect

FORBIDDEN = re.compile(
    r"SCAN (samples|labels|assignments|queue|descriptions|descriptors|predictions|skips|audit|"
    r"idempotency|model_versions|jobs|label_remarks|sample_remarks|suspects|trials)\b"
)


@pytest.fixture
def executed(house: Any) -> Iterator[dict[str, Any]]:
    """Every statement that runs, with one set of its parameters."""
    found: dict[str, Any] = {}

    def note(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        found.setdefault(statement, parameters[0] if many else parameters)

    for engine in house.records.engines:
        event.listen(engine, "before_cursor_execute", note)
    yield found
    for engine in house.records.engines:
        event.remove(engine, "before_cursor_execute", note)


def list_suspects(house: Any, label: Any) -> None:
    found = Suspect(
        label_id=label.id, project_id=label.project_id, sample_id=label.sample_id, score=0.1,
        reason="", model_says={}, job_id=1, created_at=0.0,
    )  # fmt: skip
    with house.records.write() as tx:
        suspect_rows.replace(tx, label.project_id, [found])
        suspect_rows.page(tx, label.project_id, after=None, limit=2)
        suspect_rows.page(tx, label.project_id, after=(0.1, 1), limit=2)


def act(house: Any) -> None:
    """Do everything that a request or a look at the store can do."""
    house.volumes(12)
    (house.images / "broken.nii.gz").write_bytes(b"x")
    house.volume("double.nii")
    house.volume("double.nii.gz")
    (house.images / "case0011.nii.gz").unlink()
    house.volume("case0010.nii.gz", seed=99, shape=(6, 4, 3))
    house.ingest.sync("liver")
    house.ingest.sync_paths("liver", ["case0009.nii.gz"])
    samples = house.samples.list("liver", limit=3).items
    page = house.samples.list("liver", limit=3)
    house.samples.list("liver", page.next, 3)
    page = house.samples.list("liver", limit=2, name="case")
    house.samples.list("liver", page.next, 2, state="ready", name="case")
    house.samples.list("liver", limit=2, state="unreadable")
    house.queue(house.samples.list("liver", limit=50, state="ready").items[:6])
    lent = [house.next(f"a{number % 3}") for number in range(7)]
    house.assignments.held("liver", "a0")
    house.assignments.get(lent[0].assignment.id)
    house.assignments.renew(lent[0].assignment.id)
    house.assignments.release(lent[1].assignment.id)
    for each in lent[2:4]:
        house.assignments.skip(each.assignment.id, "blurred")
    submitted = house.submit(lent[0].sample.id, "a0", assignment_id=lent[0].assignment.id)
    house.submit(lent[4].sample.id, "a1", state="draft")
    house.submit(lent[4].sample.id, "a1")
    house.labels.review(submitted.label.id, "rejected", "chief")
    house.labels.list("liver", samples[0].id)
    house.labels.content(submitted.label.id)
    house.clock.now += 7200
    for number in range(20):
        house.assignments.next("liver", f"b{number % 2}")
    for number in range(2):
        for each in house.assignments.held("liver", f"b{number}"):
            house.assignments.release(each.id)
    house.assignments.renew(lent[5].assignment.id)
    for state in ("set_aside", "ready"):
        house.samples.change("liver", samples[0].id, state=state, actor="chief")
    house.samples.add("liver", "new.nii", io.BytesIO(house.mask()), "ann")
    house.samples.delete("liver", house.samples.list("liver", name="new").items[0].id, "chief")
    house.progress.report("liver")
    list_suspects(house, submitted.label)
    b"".join(house.exports.stream("liver", "nnunet"))
    for strategy in ("random", "first"):
        house.assignments.next("liver", "cy", strategy)
    keep(house, samples[1].id)
    house.projects.list()
    house.projects.change("liver", title="Livers", actor="chief")
    settings = house.projects.get("liver").settings
    house.projects.open_all([house.config(title="Other", settings=settings)])


def keep(house: Any, sample_id: int) -> None:
    """Do what clients do that keep labels by tag, remarks and sessions."""
    label = house.submit(sample_id, "cy", state="draft", tag="original", remarks={"a": 1}).label
    house.tags.remark_label(label.id, {"b": 2}, "cy")
    house.tags.remark_sample("liver", sample_id, {"a": 1})
    house.tags.remarks(sample_id)
    house.tags.find("liver", sample_id, "original")
    house.tags.counts("liver")
    house.tags.page("liver", 0, 5)
    house.tags.withdraw("liver", sample_id, "original", "cy")
    session = house.sessions.create("liver", [("a.nii", io.BytesIO(b"1"))])
    house.sessions.get("liver", session.id, touch=True)
    house.sessions.remove("liver", session.id)


def act_on_records(house: Any) -> None:
    """Use what only HTTP and other parts of the loop use."""
    project = house.projects.get("liver")
    answer = KeptAnswer(
        key="k", route="POST /x", request_sha256="0", status=201, body=b"", headers={},
        created_at=house.clock(),
    )  # fmt: skip
    with house.records.write() as tx:
        idempotency.put(tx, answer)
        idempotency.prune(tx, at=house.clock())
        audit.page(tx, project.id, before=5, limit=2)
        label_rows.current(tx, project.id, after=1, limit=5)
        store_problems.page(tx, project.id, after=0, limit=5)
        sample_rows.validation_ready(tx, project.id)
        tag_rows.predicted(tx, 1, [1, 2])
        trial_rows.labels_by_arm(tx, project.id, after=1)
        trial_rows.newest_label(tx, project.id)
        trial_rows.of_job(tx, project.id, 1)


@pytest.mark.parametrize("readings", [1, 2])
def test_no_request_scans_a_table(house: Any, executed: dict[str, Any], readings: int) -> None:
    house.project(readings=readings, validation_share=0.34, validation_target=3, max_held=100)
    act(house)
    act_on_records(house)
    # Making a project shows scans of the tables that refer to it, for a foreign key that waits to
    # be put right; SQLite steps over them (FkIfZero) when none does.
    statements = {
        each: given
        for each, given in executed.items()
        if re.match(r"SELECT|UPDATE|DELETE|INSERT INTO (?!projects)|WITH", each)
    }
    assert len(statements) > 60
    scanned = []
    with house.records.read() as tx:
        cursor = tx.connection.cursor()
        for statement, given in statements.items():
            plan = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", given).fetchall()
            details = [row[-1] for row in plan]
            scanned += [(statement, each) for each in details if FORBIDDEN.search(each)]
    assert scanned == []


def plan_of(house: Any, executed: dict[str, Any], words: str) -> str:
    """Return how the one statement with these words is run."""
    ((statement, given),) = [(each, executed[each]) for each in executed if words in each]
    with house.records.read() as tx:
        cursor = tx.connection.cursor()
        plan = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", given).fetchall()
    return "\n".join(row[-1] for row in plan)


def test_tags_are_counted_from_their_own_index(house: Any, executed: dict[str, Any]) -> None:
    house.project()
    house.tags.counts("liver")
    plan = plan_of(house, executed, "GROUP BY labels.tag")
    assert "USING INDEX ix_labels_tag (project_id=?)" in plan
    assert "TEMP B-TREE FOR GROUP BY" not in plan


def test_labels_of_arms_are_counted_from_their_own_index(
    house: Any, executed: dict[str, Any]
) -> None:
    house.project()
    house.progress.report("liver")
    plan = plan_of(house, executed, "GROUP BY assignments.arm")
    assert "USING COVERING INDEX ix_assignments_arm (project_id=?)" in plan
    assert "TEMP B-TREE FOR GROUP BY" not in plan


@pytest.mark.parametrize("readings", [1, 2])
def test_the_first_by_name_is_found_in_the_order_of_the_names(
    house: Any, executed: dict[str, Any], readings: int
) -> None:
    house.project(readings=readings, validation_share=0)
    house.pool(3)
    house.next(strategy="first")
    plan = plan_of(house, executed, "ORDER BY samples.name")
    assert "ix_samples_project_state_name (project_id=? AND state=?)" in plan
    assert "ORDER BY" not in plan


def test_the_check_itself_finds_a_scan(house: Any) -> None:
    with house.records.read() as tx:
        plan = tx.exec_driver_sql("EXPLAIN QUERY PLAN SELECT * FROM samples WHERE skips = 3").all()
    assert FORBIDDEN.search(plan[0][-1])
