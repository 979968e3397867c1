"""Jobs as rows: one at a time, by urgency, through restarts, cancelled, never piled up."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from limner.errors import Conflict, NotFound
from limner.loop.events import Events
from limner.loop.jobs import MOST_ATTEMPTS, Jobs
from limner.plugin import Progress, Stopped
from limner.records import jobs as job_rows
from limner.records import projects as project_rows
from limner.records.database import FILE_NAME, Records
from limner.records.rows import Job, JobKind, JobState

MakeLab = Callable[..., Any]


def doing(work: Callable[[Any], Mapping[str, Any] | None]) -> dict[JobKind, Any]:
    return dict.fromkeys(JobKind, lambda run: work(run) or {})


def test_waiting_work_of_a_kind_is_one_job(make_lab: MakeLab) -> None:
    lab = make_lab()
    first = lab.jobs.ensure(lab.project_id, JobKind.SCORE)
    assert lab.jobs.ensure(lab.project_id, JobKind.SCORE).id == first.id
    assert lab.jobs.ensure(lab.project_id, JobKind.TRAIN).id != first.id


def test_wishes_of_requests_for_one_waiting_job_are_joined(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.jobs.ensure(lab.project_id, JobKind.PREDICT, {"samples": [1, 2]})
    job = lab.jobs.ensure(lab.project_id, JobKind.PREDICT, {"samples": [2, 3], "why": "x"})
    assert job.params == {"samples": [1, 2, 3], "why": "x"}


def test_the_most_urgent_runs_first_and_then_the_oldest(make_lab: MakeLab) -> None:
    lab = make_lab()
    order: list[str] = []
    for kind in (JobKind.PREDICT, JobKind.SCORE, JobKind.TRAIN):
        lab.jobs.ensure(lab.project_id, kind)
    lab.jobs.start(doing(lambda run: order.append(run.job.kind)))
    lab.idle()
    assert order == ["train", "score", "predict"]


def test_only_one_job_runs_at_a_time(make_lab: MakeLab) -> None:
    lab = make_lab()
    inside = threading.Semaphore(1)

    def work(run: Any) -> None:
        assert inside.acquire(blocking=False)
        run.progress(Progress(step=1, total=1))
        inside.release()

    for kind in JobKind:
        lab.jobs.ensure(lab.project_id, kind)
    lab.jobs.start(doing(work))
    lab.idle()
    assert {job.state for job in lab.jobs.list("demo", None, 10).items} == {JobState.SUCCEEDED}


def test_a_running_score_makes_room_for_a_training_and_runs_again(make_lab: MakeLab) -> None:
    lab = make_lab()
    order: list[str] = []
    scoring = threading.Event()

    def work(run: Any) -> dict[str, Any]:
        order.append(run.job.kind)
        if run.job.kind == "score" and order.count("score") == 1:
            scoring.set()
            while not run.should_stop():
                threading.Event().wait(0.002)
            assert run.should_yield()
            raise Stopped("made room")
        return {"runs": order.count(run.job.kind)}

    lab.jobs.start(doing(work))
    score = lab.jobs.ensure(lab.project_id, JobKind.SCORE)
    assert scoring.wait(60)
    lab.jobs.ensure(lab.project_id, JobKind.TRAIN)
    ended = lab.wait(score)
    assert order == ["score", "train", "score"]
    assert ended.result == {"runs": 2}
    assert ended.attempts == 1


def test_a_training_makes_no_room_for_anything(make_lab: MakeLab) -> None:
    lab = make_lab()
    started, go_on = threading.Event(), threading.Event()

    def work(run: Any) -> None:
        if run.job.kind == "train":
            started.set()
            assert go_on.wait(60)
            assert not run.should_stop()

    lab.jobs.start(doing(work))
    job = lab.jobs.ensure(lab.project_id, JobKind.TRAIN)
    assert started.wait(60)
    lab.jobs.ensure(lab.project_id, JobKind.SCORE, priority=1000)
    go_on.set()
    assert lab.wait(job).state == JobState.SUCCEEDED


def test_a_score_that_comes_back_ends_its_waiting_twin(make_lab: MakeLab) -> None:
    lab = make_lab()
    scoring = threading.Event()

    def work(run: Any) -> None:
        if run.job.kind == "score" and not scoring.is_set():
            scoring.set()
            while not run.should_stop():
                threading.Event().wait(0.002)
            raise Stopped("made room")

    lab.jobs.start(doing(work))
    first = lab.jobs.ensure(lab.project_id, JobKind.SCORE)
    assert scoring.wait(60)
    twin = lab.jobs.ensure(lab.project_id, JobKind.SCORE)
    assert twin.id != first.id
    lab.jobs.ensure(lab.project_id, JobKind.TRAIN)
    assert lab.wait(first).state == JobState.SUCCEEDED
    ended = lab.jobs.get(twin.id)
    assert ended.state == JobState.CANCELLED
    assert ended.error is not None
    assert f"Job {first.id}" in ended.error["detail"]


def test_a_stopped_server_queues_its_running_job_again_and_that_is_no_failed_attempt(
    make_lab: MakeLab,
) -> None:
    lab = make_lab()
    started = threading.Event()

    def work(run: Any) -> None:
        started.set()
        while not run.should_stop():
            threading.Event().wait(0.002)
        raise Stopped("the server stops")

    lab.jobs.start(doing(work))
    job = lab.jobs.ensure(lab.project_id, JobKind.TRAIN)
    assert started.wait(60)
    lab.restart()
    found = lab.jobs.get(job.id)
    assert found.state == JobState.QUEUED
    assert found.attempts == 0
    lab.jobs.start(doing(lambda run: {"done": True}))
    assert lab.wait(job).result == {"done": True}


def test_workers_that_end_while_the_server_stops_do_not_fail_the_job(make_lab: MakeLab) -> None:
    lab = make_lab()
    started = threading.Event()

    def work(run: Any) -> None:
        started.set()
        while not run.should_stop():
            threading.Event().wait(0.002)
        raise Conflict("the worker was ended")

    lab.jobs.start(doing(work))
    job = lab.jobs.ensure(lab.project_id, JobKind.TRAIN)
    assert started.wait(60)
    lab.restart()
    assert lab.jobs.get(job.id).state == JobState.QUEUED


def test_a_job_that_a_crash_left_running_is_queued_again(make_lab: MakeLab) -> None:
    lab = make_lab()
    job = lab.jobs.ensure(lab.project_id, JobKind.TRAIN)
    _crash_during(lab, job)
    lab.jobs.start(doing(lambda run: {"attempt": run.job.attempts}))
    assert lab.wait(job).result == {"attempt": 2}


def test_a_job_that_ended_the_server_three_times_is_given_up_with_the_reason(
    make_lab: MakeLab,
) -> None:
    lab = make_lab()
    job = lab.jobs.ensure(lab.project_id, JobKind.TRAIN)
    _crash_during(lab, job, attempts=MOST_ATTEMPTS)
    lab.jobs.start(doing(lambda run: pytest.fail("it ran again")))
    ended = lab.wait(job)
    assert ended.state == JobState.FAILED
    assert ended.error["type"] == "GivenUp"
    assert "3 times" in ended.error["detail"]


def test_a_waiting_job_is_cancelled_at_once_and_a_second_time_changes_nothing(
    make_lab: MakeLab,
) -> None:
    lab = make_lab()
    job = lab.jobs.ensure(lab.project_id, JobKind.TRAIN)
    assert lab.jobs.cancel(job.id, "ann").state == JobState.CANCELLED
    assert lab.jobs.cancel(job.id, "ann").state == JobState.CANCELLED


def test_a_finished_job_cannot_be_cancelled(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.jobs.start(doing(lambda run: None))
    job = lab.wait(lab.jobs.ensure(lab.project_id, JobKind.TRAIN))
    with pytest.raises(Conflict, match="succeeded already"):
        lab.jobs.cancel(job.id, "ann")
    with pytest.raises(NotFound, match="999"):
        lab.jobs.cancel(999, "ann")


def test_work_that_says_it_was_stopped_though_nobody_asked_has_failed(make_lab: MakeLab) -> None:
    lab = make_lab()

    def work(run: Any) -> None:
        raise Stopped("for no reason")

    lab.jobs.start(doing(work))
    job = lab.wait(lab.jobs.ensure(lab.project_id, JobKind.TRAIN))
    assert job.state == JobState.FAILED


def test_progress_carries_the_time_left_at_the_pace_so_far(make_lab: MakeLab) -> None:
    lab = make_lab()

    def work(run: Any) -> None:
        part = run.stage(0.0, 0.5, "training")
        part.progress(Progress(step=0, total=10, losses={"dice": 0.5}))
        lab.clock.now += 10
        part.progress(Progress(step=5, total=10, losses={"dice": float("nan")}, message="step"))

    lab.jobs.start(doing(work))
    progress = lab.wait(lab.jobs.ensure(lab.project_id, JobKind.TRAIN)).progress
    assert progress == {
        "step": 5,
        "total": 10,
        "losses": {"dice": None},
        "message": "training: step",
        "eta_s": 30.0,
    }


def test_every_change_of_a_job_is_told_and_progress_only_a_few_times_a_second(
    make_lab: MakeLab,
) -> None:
    lab = make_lab()

    def work(run: Any) -> None:
        for step in range(100):
            lab.clock.now += 0.01
            run.progress(Progress(step=step, total=100))

    with lab.events.subscribe(project="demo") as news:
        lab.jobs.start(doing(work))
        lab.wait(lab.jobs.ensure(lab.project_id, JobKind.TRAIN))
        told = []
        while (event := news.get(timeout_s=0.3)) is not None:
            told.append(event.data["state"])
    assert told[0] == "queued"
    assert told[-1] == "succeeded"
    assert 4 <= told.count("running") <= 8


def test_jobs_of_a_deleted_project_are_cancelled_and_others_go_on(make_lab: MakeLab) -> None:
    lab = make_lab()
    job = lab.jobs.ensure(lab.project_id, JobKind.TRAIN)
    lab.projects.delete("demo", "ann")
    lab.jobs.start(doing(lambda run: pytest.fail("it ran")))
    assert lab.wait(job).state == JobState.CANCELLED


def test_the_runner_outlives_records_that_cannot_be_written(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make_lab()
    monkeypatch.setattr("limner.loop.jobs.RETRY_S", 0.01)
    failures = iter([RuntimeError("disk"), RuntimeError("disk")])
    change = job_rows.change

    def failing(tx: Any, job_id: int, **values: Any) -> Job:
        if values.get("state") == "succeeded":
            for error in failures:
                raise error
        return change(tx, job_id, **values)

    monkeypatch.setattr(job_rows, "change", failing)
    lab.jobs.start(doing(lambda run: {"fine": True}))
    assert lab.wait(lab.jobs.ensure(lab.project_id, JobKind.TRAIN)).result == {"fine": True}


def test_a_handlers_own_notes_are_not_shown(make_lab: MakeLab) -> None:
    lab = make_lab()
    job = lab.jobs.ensure(lab.project_id, JobKind.TRAIN, {"effort": 1.0, "_plan": {"a": 1}})
    assert lab.jobs.get(job.id).params == {"effort": 1.0}


def test_jobs_are_listed_in_pages_newest_first(make_lab: MakeLab) -> None:
    lab = make_lab()
    made = [lab.jobs.ensure(lab.project_id, kind).id for kind in JobKind]
    first = lab.jobs.list("demo", None, 2)
    second = lab.jobs.list("demo", first.next, len(made) - 2)
    assert [job.id for job in first.items + second.items] == made[::-1]
    assert second.next is None


@cache
def migrated() -> Path:
    """Make an empty database once: each machine takes a copy."""
    home = tempfile.TemporaryDirectory()
    atexit.register(home.cleanup)
    Records.open(Path(home.name)).close()
    return Path(home.name) / FILE_NAME


class JobMachine(RuleBasedStateMachine):
    """Any order of asking, cancelling, running, crashing: states move along the drawn edges."""

    EDGES: ClassVar = {
        "queued": {"running", "cancelled", "failed"},
        "running": {"queued", "succeeded", "failed", "cancelled"},
    }

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory()
        shutil.copy(migrated(), self.home.name)
        self.records = Records.open(Path(self.home.name))
        self.jobs = Jobs(self.records, Events(), lambda: 1.0)
        self.outcome = "succeed"
        self.jobs._handlers = doing(self.work)
        self.states: dict[int, str] = {}

    @initialize()
    def project(self) -> None:
        with self.records.write() as tx:
            self.project_id = project_rows.add(
                tx, name="p", app="a", schema=[], store={}, settings={}, created_at=0.0
            ).id

    def work(self, run: Any) -> None:
        if self.outcome == "fail":
            raise Conflict("no")
        if self.outcome == "cancel":
            self.jobs.cancel(run.job.id, "ann")
        if self.outcome == "halt":
            run.halt()
        if run.should_stop():
            raise Stopped("told")

    @rule(kind=st.sampled_from(list(JobKind)))
    def ask(self, kind: JobKind) -> None:
        self.jobs.ensure(self.project_id, kind)
        self.look()

    @rule(number=st.integers(min_value=0, max_value=20))
    def cancel(self, number: int) -> None:
        ids = sorted(self.states)
        if ids:
            try:
                self.jobs.cancel(ids[number % len(ids)], "ann")
            except Conflict:
                assert self.states[ids[number % len(ids)]] in {"succeeded", "failed"}
        self.look()

    @rule(outcome=st.sampled_from(["succeed", "fail", "cancel", "halt"]))
    def run_one(self, outcome: str) -> None:
        self.outcome = outcome
        claimed = self.jobs._claim()
        self.look()
        if claimed is not None:
            self.jobs._execute(*claimed)
        self.look()

    @rule()
    def crash(self) -> None:
        self.jobs._claim()
        self.look()
        self.jobs._current = None
        with self.records.write() as tx:
            for job in job_rows.left_running(tx):
                job_rows.change(tx, job.id, state="queued")
        self.look()

    def look(self) -> None:
        with self.records.read() as tx:
            found = job_rows.page(tx, self.project_id, before=None, limit=1000)
        for job in found:
            before = self.states.get(job.id, "queued")
            assert job.state == before or job.state in self.EDGES[before], (before, job.state)
            assert (job.finished_at is not None) == (job.state not in {"queued", "running"})
            assert 0 <= job.attempts <= MOST_ATTEMPTS
            self.states[job.id] = job.state

    @invariant()
    def waiting_work_is_not_piled_up(self) -> None:
        if not hasattr(self, "project_id"):
            return
        with self.records.read() as tx:
            unfinished = job_rows.unfinished(tx)
        fresh = [job.kind for job in unfinished if job.started_at is None]
        assert len(fresh) == len(set(fresh))

    def teardown(self) -> None:
        self.records.close()
        self.home.cleanup()


TestJobStates = JobMachine.TestCase
TestJobStates.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)


def _crash_during(lab: Any, job: Job, attempts: int = 1) -> None:
    with lab.records.write() as tx:
        job_rows.change(tx, job.id, state="running", attempts=attempts, started_at=1.0)


def test_a_job_cancelled_before_a_crash_does_not_run_afterwards(make_lab: MakeLab) -> None:
    lab = make_lab()
    job = lab.jobs.ensure(lab.project_id, JobKind.SCORE)
    with lab.records.write() as tx:
        job_rows.change(tx, job.id, state=JobState.RUNNING.value, cancel_requested=True)
    ran: list[int] = []
    lab.jobs.start(doing(lambda run: ran.append(run.job.id)))
    assert lab.wait(job).state == JobState.CANCELLED
    assert not ran
