"""Trainings that go on after the server ended: the same labels, nothing twice or half-done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from limner.errors import WorkerDied
from limner.records import jobs as job_rows
from limner.records.rows import JobKind, JobState, ModelState

MakeLab = Callable[..., Any]


def test_a_training_that_goes_on_keeps_its_labels_and_its_finished_folds(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.start()
    samples = lab.add_images(8)
    lab.label(samples[:4])
    trained = _held_at_training(lab, number=3)
    job = lab.retrain.request("demo", "ann")
    assert trained.wait(60)
    lab.restart()
    assert lab.jobs.get(job.id).state == JobState.QUEUED
    lab.label(samples[4:7])  # these wait for the next round
    lab.engine.calls.clear()
    lab.start()
    assert lab.wait(job).state == JobState.SUCCEEDED
    (version,) = lab.versions()
    assert lab.seen_by(version) == set(samples[:4])
    assert lab.engine.counted("train") == 1
    assert len(version.decision["cases"]) == 4
    assert lab.project.labels_since_training == 3
    assert not (lab.home / "work" / str(lab.project_id) / str(job.id)).exists()


def test_a_training_goes_on_from_the_plugins_checkpoint(make_lab: MakeLab) -> None:
    lab = make_lab(app_options={"step_seconds": 0.001})
    lab.start()
    lab.label(lab.add_images(12, validation=3))
    job = lab.retrain.request("demo", "ann")
    with lab.events.subscribe(job=job.id) as news:
        while (event := news.get(timeout_s=60)) is not None:
            lab.clock.now += 1
            if event.data["progress"].get("step", 0) >= 2:
                break
    lab.restart()
    lab.start()
    assert lab.wait(job).state == JobState.SUCCEEDED
    (version,) = lab.versions()
    assert any("went on from step" in note for note in version.notes)


def test_a_server_that_ends_after_the_record_does_not_train_again(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.start()
    lab.label(lab.add_images(4))
    job = lab.train()
    lab.idle()
    lab.restart()
    with lab.records.write() as tx:
        job_rows.change(tx, job.id, state="running", finished_at=None, result={})
    lab.engine.calls.clear()
    lab.start()
    assert lab.wait(job).result["version"] == 1
    assert lab.engine.counted("train") == 0
    assert len(lab.versions()) == 1


def test_a_worker_that_dies_while_measuring_fails_the_training_and_the_serving_version_stays(
    make_lab: MakeLab,
) -> None:
    lab = make_lab()
    lab.start()
    lab.label(lab.add_images(14, validation=3))
    lab.train()
    lab.engine.errors["evaluate"] = WorkerDied("The learner ended: killed.", last_words="killed")
    job = lab.train(from_scratch=True)
    assert job.state == JobState.FAILED
    assert job.error == {"type": "WorkerDied", "detail": "The learner ended: killed."}
    assert lab.serving().number == 1
    assert len(lab.versions()) == 1


def test_workspaces_of_jobs_that_are_finished_are_swept(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.start()
    lab.label(lab.add_images(4))
    left = lab.home / "work" / str(lab.project_id) / "99999"
    left.mkdir(parents=True)
    lab.train()
    assert not left.exists()
    assert (left.parent / "cache").is_dir()


def test_a_version_promoted_by_hand_meanwhile_is_the_one_compared_with(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.start()
    samples = lab.add_images(20, validation=4)
    lab.label(samples[:8] + samples[-4:])
    lab.engine.scores = [0.7]
    lab.train()
    lab.engine.scores = [0.75]
    lab.train()
    lab.idle()
    lab.label(samples[8:10])
    warmed = lab.engine.warm
    seen: list[Any] = []

    def warm(model: Any) -> None:
        if not seen:
            seen.append(model)
            lab.models.promote("demo", 1, "ann")
        warmed(model)

    lab.engine.warm = warm
    lab.engine.scores = [0.8, 0.8]
    lab.train()
    third = lab.versions()[-1]
    assert third.decision["compared_with"] == 1
    assert third.state == ModelState.SERVING


@pytest.mark.parametrize("at", ["train", "evaluate"])
def test_cancelling_at_any_step_records_no_version(make_lab: MakeLab, at: str) -> None:
    lab = make_lab()
    lab.start()
    lab.label(lab.add_images(12, validation=3))
    reached = lab.engine.hold(at)
    job = lab.retrain.request("demo", "ann")
    assert reached.wait(60)
    lab.jobs.cancel(job.id, "ann")
    assert lab.wait(job).state == JobState.CANCELLED
    assert lab.versions() == []
    assert [each.kind for each in lab.open_jobs()] == []


def _held_at_training(lab: Any, number: int) -> threading.Event:
    """Hold the engine at its n-th training from now; return the event that is set then."""
    train = lab.engine.train
    count = [0]
    reached = threading.Event()

    def counting(task: Any, watch: Any) -> Any:
        count[0] += 1
        if count[0] == number:
            lab.engine.hold("train")
            reached.set()
        try:
            return train(task, watch)
        finally:
            lab.engine.held.pop("train", None)

    lab.engine.train = counting
    return reached


def test_the_kinds_of_jobs_are_all_handled(make_lab: MakeLab) -> None:
    lab = make_lab()
    parts = (lab.retrain, lab.score, lab.review, lab.trials)
    assert {kind for each in parts for kind in each.handlers()} == set(JobKind)
