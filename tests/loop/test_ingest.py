"""Taking files in: whole stores, single changes, adopted labels, watching."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from limner.images import ImageSource
from limner.loop.intake import draw_of
from limner.records import store_problems


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition, or fail."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def states(house: Any) -> dict[str, str]:
    return {each.name: each.state for each in house.samples.list("liver", limit=1000).items}


def problems(house: Any) -> dict[str, str]:
    with house.records.read() as tx:
        rows = store_problems.page(tx, house.projects.get("liver").id, after=0, limit=100)
    return {row.path: row.problem for row in rows}


@pytest.fixture
def store(house: Any) -> Any:
    house.project(validation_share=0)
    return house


def test_a_sync_takes_headers_in_and_reads_no_pixel(store: Any) -> None:
    store.volume("a/one.nii.gz")
    report = store.ingest.sync("liver")
    assert report.tally.new == 1
    (sample,) = store.samples.list("liver").items
    assert (sample.name, sample.files) == ("a/one", ["a/one.nii.gz"])
    assert (sample.shape, sample.spacing_mm) == ([5, 4, 3], [1.0, 1.0, 2.0])
    assert (sample.channels, sample.format, sample.state) == (1, ".nii.gz", "ready")
    assert sample.draw == draw_of(0, "a/one")
    assert "store.synced" in store.audited()


def test_known_files_are_not_opened_again(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store.volumes(4)

    def refuse(_: ImageSource) -> None:
        raise AssertionError("a known file was opened")

    monkeypatch.setattr(ImageSource, "header", refuse)
    report = store.ingest.sync("liver")
    assert report.tally.unchanged == 4
    assert not report.tally.is_news


def test_new_samples_ask_the_strategy_for_a_queue(store: Any) -> None:
    store.volumes(2)
    jobs = store.jobs.unfinished(store.projects.get("liver").id)
    assert [job.kind for job in jobs] == ["score"]


def test_an_unreadable_file_is_a_sample_that_is_never_handed_out(store: Any) -> None:
    (store.images / "broken.nii.gz").write_bytes(b"nothing")
    store.ingest.sync("liver")
    (sample,) = store.samples.list("liver", state="unreadable").items
    assert sample.reason
    assert "1 unreadable" in store.assignments.next("liver", "ann").reason
    store.volume("broken.nii.gz")
    assert store.ingest.sync("liver").tally.changed == 1
    assert store.next().sample.id == sample.id
    assert store.kept_counts() == store.scanned_counts()


def test_a_vanished_file_comes_back_as_what_it_was(store: Any) -> None:
    samples = store.volumes(2)
    store.queue(samples)
    store.submit(samples[0].id)
    kept = store.root / "kept"
    shutil.move(store.images, kept)
    store.images.mkdir()
    assert store.ingest.sync("liver").tally.vanished == 2
    assert set(states(store).values()) == {"vanished"}
    assert store.kept_counts() == store.scanned_counts()
    assert "no samples" in store.assignments.next("liver", "ann").reason
    store.images.rmdir()
    shutil.move(kept, store.images)
    assert store.ingest.sync("liver").tally.returned == 2
    assert states(store) == {"case0000": "labelled", "case0001": "ready"}
    assert store.kept_counts() == store.scanned_counts()


def test_a_store_that_is_not_there_keeps_its_samples(store: Any) -> None:
    store.volumes(2)
    kept = store.root / "kept"
    shutil.move(store.images, kept)
    report = store.ingest.sync("liver")
    assert "." in report.problems
    assert set(states(store).values()) == {"ready"}
    shutil.move(kept, store.images)
    store.ingest.sync("liver")
    assert problems(store) == {}


def test_a_changed_image_gets_its_new_header_and_loses_its_descriptions(store: Any) -> None:
    (sample,) = store.volumes(1)
    project = store.projects.get("liver")
    with store.records.write() as tx:
        tx.exec_driver_sql(
            "INSERT INTO model_versions (id, project_id, number, app, app_version, state, pinned, "
            "weights_bytes, seed, plan, options, metrics, decision, libraries, notes, label_count, "
            "created_at) VALUES (1, ?, 1, 'outline', '1', 'serving', 0, 0, 0, '{}', '{}', '{}', "
            "'{}', '{}', '[]', 0, 0)",
            (project.id,),
        )
        tx.exec_driver_sql(
            "INSERT INTO descriptions (model_id, sample_id, project_id, scores, class_scores, "
            "class_fractions, created_at) VALUES (1, ?, ?, '{}', x'', x'', 0)",
            (sample.id, project.id),
        )
    store.volume("case0000.nii.gz", seed=9, shape=(7, 4, 3))
    assert store.ingest.sync("liver").tally.changed == 1
    assert store.samples.get("liver", sample.id).shape == [7, 4, 3]
    with store.records.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM descriptions").scalar() == 0


def test_a_labelled_image_that_changes_shape_is_set_aside(store: Any) -> None:
    (sample,) = store.volumes(1)
    store.submit(sample.id)
    store.volume("case0000.nii.gz", shape=(7, 4, 3))
    store.ingest.sync("liver")
    after = store.samples.get("liver", sample.id)
    assert after.state == "set_aside"
    assert "changed from shape [5, 4, 3], spacing [1.0, 1.0, 2.0] to [7, 4, 3]" in after.reason
    store.submit(sample.id, data=store.mask(shape=(7, 4, 3)))
    assert store.samples.get("liver", sample.id).state == "labelled"
    assert store.kept_counts() == store.scanned_counts()


def test_an_image_in_two_formats_is_reported_until_it_is_put_right(store: Any) -> None:
    store.volume("case.nii")
    extra = store.volume("case.nii.gz")
    store.ingest.sync("liver")
    (path,) = problems(store)
    assert "two formats" in problems(store)[path]
    assert len(states(store)) == 1
    extra.unlink()
    store.clock.now += 1
    store.ingest.sync("liver")
    assert problems(store) == {}


def test_a_removed_sample_is_not_taken_in_again(store: Any) -> None:
    samples = store.volumes(2)
    store.samples.delete("liver", samples[0].id, "chief")
    store.ingest.sync("liver")
    assert states(store) == {"case0001": "ready"}
    assert store.kept_counts() == store.scanned_counts()


def test_paths_that_are_told_are_looked_at_and_nothing_else(store: Any) -> None:
    store.volumes(3)
    new = store.volume("later.nii.gz")
    (store.images / "case0001.nii.gz").unlink()
    store.volume("case0002.nii.gz", seed=77)
    os.utime(store.images / "case0002.nii.gz", ns=(1, 1))
    paths = [new.name, "case0001.nii.gz", "case0002.nii.gz"]
    tally = store.ingest.sync_paths("liver", paths).tally
    assert (tally.new, tally.vanished, tally.changed) == (1, 1, 1)
    assert states(store) == {
        "case0000": "ready",
        "case0001": "vanished",
        "case0002": "ready",
        "later": "ready",
    }
    assert store.kept_counts() == store.scanned_counts()


def test_a_second_channel_turns_two_files_into_one_sample(store: Any) -> None:
    store.volume("p1/T1.nii.gz")
    store.ingest.sync("liver")
    assert states(store) == {"p1/T1": "ready"}
    store.volume("p1/FLAIR.nii.gz")
    store.ingest.sync_paths("liver", ["p1/FLAIR.nii.gz"])
    assert states(store) == {"p1/T1": "vanished", "p1": "ready"}
    (store.images / "p1" / "FLAIR.nii.gz").unlink()
    store.ingest.sync_paths("liver", ["p1/FLAIR.nii.gz"])
    assert states(store) == {"p1/T1": "ready", "p1": "vanished"}


@pytest.fixture
def adopting(house: Any) -> Any:
    house.finished = house.root / "finished"
    house.finished.mkdir()
    config = house.config(adopt=house.finished, settings={"validation_share": 0})
    house.projects.create(config)
    return house


def finish(house: Any, name: str, data: bytes) -> Path:
    path: Path = house.finished / name
    path.write_bytes(data)
    return path


def test_a_finished_label_becomes_a_submitted_one(adopting: Any) -> None:
    path = finish(adopting, "case0000.nii", adopting.mask(2))
    samples = adopting.volumes(2)
    assert [each.state for each in samples] == ["labelled", "ready"]
    (label,) = adopting.labels.list("liver", samples[0].id)
    assert (label.author, label.state, label.adopted_from) == ("adopted", "submitted", str(path))
    assert adopting.labels.content(label.id)[0].read_bytes() == path.read_bytes()
    assert path.exists()
    assert adopting.retrain.told == [("liver", 1)]


def test_a_label_is_adopted_once(adopting: Any) -> None:
    finish(adopting, "case0000.nii", adopting.mask())
    adopting.volumes(1)
    assert adopting.ingest.sync("liver").adopted == 0


def test_adopted_labels_feed_the_validation_set_at_random(house: Any) -> None:
    house.finished = house.root / "finished"
    house.finished.mkdir()
    settings = {"validation_share": 0.5, "validation_target": 5}
    house.projects.create(house.config(adopt=house.finished, settings=settings))
    for number in range(30):
        finish(house, f"case{number:04d}.nii", house.mask())
    samples = house.volumes(30)
    drawn = [each for each in samples if each.is_validation]
    assert 2 <= len(drawn) <= 10
    assert min(each.draw for each in drawn) > max(
        each.draw for each in samples if not each.is_validation
    )
    assert house.projects.get("liver").validation == len(drawn)
    assert house.kept_counts() == house.scanned_counts()


def test_an_adopted_label_never_puts_a_persons_aside(adopting: Any) -> None:
    (sample,) = adopting.volumes(1)
    adopting.submit(sample.id, fill=1)
    finish(adopting, "case0000.nii", adopting.mask(2))
    assert adopting.ingest.sync("liver").adopted == 0
    assert [each.author for each in adopting.labels.list("liver", sample.id)] == ["ann"]


def test_labels_that_cannot_be_adopted_are_reported_and_not_fatal(adopting: Any) -> None:
    finish(adopting, "nobody.nii", adopting.mask())
    finish(adopting, "case0000.nii", adopting.mask(shape=(2, 2, 2)))
    finish(adopting, "case0001.nii", adopting.mask())
    adopting.volumes(2)
    found = {Path(path).name: problem for path, problem in problems(adopting).items()}
    assert set(found) == {"nobody.nii", "case0000.nii"}
    assert "without an image" in found["nobody.nii"]
    assert "shape" in found["case0000.nii"]
    assert states(adopting) == {"case0000": "ready", "case0001": "labelled"}


def test_files_are_noticed_while_the_server_runs(store: Any) -> None:
    store.volume("early.nii.gz")
    store.ingest.start()
    try:
        until(lambda: states(store) == {"early": "ready"})
        store.volume("late.nii.gz")
        until(lambda: states(store) == {"early": "ready", "late": "ready"})
        (store.images / "early.nii.gz").unlink()
        until(lambda: states(store) == {"early": "vanished", "late": "ready"})
    finally:
        store.ingest.stop()


def test_a_project_made_while_the_server_runs_is_watched(house: Any) -> None:
    house.ingest.start()
    try:
        house.volume("one.nii.gz")
        house.project()
        until(lambda: states(house) == {"one": "ready"})
    finally:
        house.ingest.stop()


def test_a_look_that_fails_is_tried_again(
    store: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from limner.errors import RecordsBusy
    from limner.loop import ingest

    store.volume("one.nii.gz")
    real = store.ingest._intake.take_in
    failures = [RecordsBusy("busy")]

    def sometimes(*given: Any, **more: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*given, **more)

    monkeypatch.setattr(ingest, "RETRY_S", 0.01)
    monkeypatch.setattr(store.ingest._intake, "take_in", sometimes)
    store.ingest.start()
    try:
        until(lambda: states(store) == {"one": "ready"})
    finally:
        store.ingest.stop()
    assert "could not be looked at" in caplog.text


def test_a_labelled_image_whose_voxels_change_size_is_set_aside(store: Any) -> None:
    (sample,) = store.volumes(1)
    store.submit(sample.id)
    values = np.zeros(sample.shape, np.float32)
    nibabel.save(
        nibabel.Nifti1Image(values, np.diag([3.0, 1, 2, 1])), store.images / "case0000.nii.gz"
    )
    store.ingest.sync("liver")
    assert store.samples.get("liver", sample.id).state == "set_aside"


def test_a_file_from_the_far_future_is_taken_in(store: Any) -> None:
    path = store.volume("late.nii.gz")
    os.utime(path, (10_413_792_000, 10_413_792_000))
    store.ingest.sync("liver")
    (sample,) = store.samples.list("liver", limit=10).items
    assert (sample.name, sample.state) == ("late", "ready")
