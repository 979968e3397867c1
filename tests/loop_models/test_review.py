"""Reviews: every label is judged out of sample, the wrong one comes first, and jobs go on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.loop_models.conftest import SHAPE

from limner.errors import Conflict, InvalidRequest, NotFound
from limner.images import encode_mask
from limner.loop.page import encode_cursor
from limner.plugin import Mask
from limner.records import labels as label_rows
from limner.records import samples as sample_rows
from limner.records.rows import JobKind, JobState

MakeLab = Callable[..., Any]


def labelled(lab: Any, count: int = 9) -> list[int]:
    ids: list[int] = lab.add_images(count, validation=2)
    lab.label(ids)
    return ids


def draw_wrongly(lab: Any, sample_id: int) -> int:
    """Put a label with the object in a corner where there is none in the place of a right one."""
    array = np.zeros(SHAPE, np.uint8)
    array[-3:, -3:, -3:] = 1
    mask = Mask(array=array, spacing=(1.0, 1.0, 2.0), affine=np.diag([1.0, 1.0, 2.0, 1.0]))
    source = lab.projects.source(lab.project, lab.sample(sample_id))
    blob = lab.blobs.put_bytes(encode_mask(mask, source.header(), ".nii.gz"))
    with lab.records.write() as tx:
        label_id = lab.sample(sample_id).label_id
        label_rows.change(tx, label_id, sha256=blob.sha256, size_bytes=blob.size_bytes)
    return int(label_id)


def review(lab: Any, **params: Any) -> Any:
    return lab.wait(lab.review.request("demo", "chief", params))


def test_the_wrong_label_comes_first_and_says_what_the_model_sees(lab: Any) -> None:
    ids = labelled(lab)
    wrong = draw_wrongly(lab, ids[4])
    done = review(lab)
    assert done.state == JobState.SUCCEEDED, done.error
    assert done.result["reviewed"] == 9
    found = lab.suspects.list("demo").items
    assert len(found) == done.result["suspects"]
    assert found[0].label.id == wrong
    assert found[0].sample.id == ids[4]
    assert found[0].suspect.score < 0.5
    assert "otherwise at" in found[0].suspect.reason
    assert found[0].suspect.model_says["differs_at"] > 20
    scores = [each.suspect.score for each in found]
    assert scores == sorted(scores)


def test_no_model_judges_a_label_that_it_has_learnt_from(lab: Any) -> None:
    ids = labelled(lab)
    lab.train()
    before = len(lab.engine.calls)
    review(lab)
    calls = lab.engine.calls[before:]
    names = {str(each): lab.sample(each).name for each in ids}
    judged: list[str] = []
    learnt: set[str] = set()
    trainings = 0
    for what, told in calls:
        if what == "train":
            trainings += 1
            assert told.parent is None
            assert not told.validation
            learnt = {names[case.id] for case in told.train}
        elif what == "predict" and told[2] == "review":
            assert told[0] not in learnt
            judged.append(told[0])
    assert trainings == 3
    assert sorted(judged) == sorted(names.values())


def test_the_same_labels_are_judged_the_same(lab: Any) -> None:
    draw_wrongly(lab, labelled(lab)[1])
    review(lab)
    first = [(each.label.id, each.suspect.score) for each in lab.suspects.list("demo").items]
    review(lab)
    assert [
        (each.label.id, each.suspect.score) for each in lab.suspects.list("demo").items
    ] == first


def test_what_was_dealt_with_leaves_the_list_and_does_not_come_back(lab: Any) -> None:
    ids = labelled(lab)
    wrong = draw_wrongly(lab, ids[0])
    review(lab)
    assert lab.suspects.list("demo").items[0].label.id == wrong
    with lab.records.write() as tx:
        label_rows.change(tx, wrong, state="approved")
    assert wrong not in {each.label.id for each in lab.suspects.list("demo").items}
    review(lab)
    assert wrong not in {each.label.id for each in lab.suspects.list("demo").items}


def test_a_new_label_of_the_sample_takes_a_suspect_off_the_list(lab: Any) -> None:
    ids = labelled(lab)
    wrong = draw_wrongly(lab, ids[0])
    review(lab)
    lab.label([ids[0]], author="bea")
    assert wrong not in {each.label.id for each in lab.suspects.list("demo").items}


def test_a_sample_whose_image_is_gone_is_not_listed(lab: Any) -> None:
    ids = labelled(lab)
    wrong = draw_wrongly(lab, ids[0])
    review(lab)
    with lab.records.write() as tx:
        sample_rows.change(tx, ids[0], state="vanished")
    assert wrong not in {each.label.id for each in lab.suspects.list("demo").items}


def test_the_list_goes_on_where_a_page_ended(lab: Any) -> None:
    for each in labelled(lab)[:3]:
        draw_wrongly(lab, each)
    review(lab)
    whole = [each.label.id for each in lab.suspects.list("demo").items]
    assert len(whole) >= 3
    paged, cursor = [], None
    while True:
        page = lab.suspects.list("demo", cursor, 1)
        paged += [each.label.id for each in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert paged == whole


@pytest.mark.parametrize("place", [3, "x", "0.5", "0.5/x", "nan/1", "2.0/1", "0.5/0", "0.5/-1"])
def test_a_cursor_of_another_list_is_refused(lab: Any, place: int | str) -> None:
    with pytest.raises(InvalidRequest, match="Cursor"):
        lab.suspects.list("demo", encode_cursor(place))


def test_too_few_labels_are_refused_with_the_number_needed(lab: Any) -> None:
    labelled(lab, 5)
    with pytest.raises(Conflict, match="has 5 labels; a review in 3 folds needs at least 6"):
        lab.review.request("demo", "chief")
    assert lab.open_jobs() == []
    assert review(lab, folds=2).state == JobState.SUCCEEDED


@pytest.mark.parametrize(
    "params",
    [{"folds": 1}, {"folds": 11}, {"folds": True}, {"folds": "3"}, {"effort": 0}, {"size": 1}],
)
def test_wishes_that_cannot_be_are_refused(lab: Any, params: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="cannot be asked for so"):
        lab.review.request("demo", "chief", params)
    assert lab.open_jobs() == []


def test_an_unknown_project_is_refused(lab: Any) -> None:
    with pytest.raises(NotFound):
        lab.review.request("nowhere", "chief")
    with pytest.raises(NotFound):
        lab.suspects.list("nowhere")


def test_a_review_makes_room_for_a_training_and_keeps_its_finished_folds(lab: Any) -> None:
    labelled(lab)
    train, begun = lab.engine.train, []

    def counting(task: Any, watch: Any) -> Any:
        begun.append((task.workspace.parent.name, task.workspace.name))
        if len(begun) == 2:
            lab.jobs.ensure(lab.project_id, JobKind.TRAIN)
        return train(task, watch)

    lab.engine.train = counting
    asked = lab.review.request("demo", "chief")
    lab.idle()
    done = lab.jobs.get(asked.id)
    assert done.state == JobState.SUCCEEDED
    assert done.result["reviewed"] == 9
    assert set(done.params) == {"folds", "effort"}
    mine = [name for job, name in begun if job == str(asked.id)]
    assert mine == ["fold-1", "fold-2", "fold-2", "fold-3"]
    between = [job for job, _ in begun[2 : begun.index((str(asked.id), "fold-2"), 2)]]
    assert between
    assert str(asked.id) not in between
    assert not (lab.home / "work" / str(lab.project_id) / str(asked.id)).exists()


def test_a_review_goes_on_after_a_restart_with_the_folds_that_it_had(make_lab: MakeLab) -> None:
    lab = make_lab()
    labelled(lab)
    train, begun, second = lab.engine.train, [], threading.Event()

    def second_waits(task: Any, watch: Any) -> Any:
        begun.append(task.workspace.name)
        if len(begun) == 2:
            lab.engine.hold("train")
            second.set()
        return train(task, watch)

    lab.engine.train = second_waits
    lab.start()
    job = lab.review.request("demo", "chief")
    assert second.wait(60)
    lab.restart()
    assert lab.jobs.get(job.id).state == JobState.QUEUED
    lab.engine.held.clear()
    lab.start()
    assert lab.wait(job.id).state == JobState.SUCCEEDED
    assert begun == ["fold-1", "fold-2", "fold-2", "fold-3"]


def test_a_cancelled_review_leaves_the_list_as_it_was(lab: Any) -> None:
    wrong = draw_wrongly(lab, labelled(lab)[0])
    review(lab)
    reached = lab.engine.hold("train")
    job = lab.review.request("demo", "chief")
    assert reached.wait(60)
    lab.jobs.cancel(job.id, "chief")
    assert lab.wait(job.id).state == JobState.CANCELLED
    assert lab.suspects.list("demo").items[0].label.id == wrong
    assert not (lab.home / "work" / str(lab.project_id) / str(job.id)).exists()


def test_a_label_that_cannot_be_read_is_told_and_the_others_are_judged(lab: Any) -> None:
    ids = labelled(lab)
    with lab.records.write() as tx:
        label_rows.change(tx, lab.sample(ids[8]).label_id, format=".nrrd")
    lab.engine.train = _reading_nothing(lab.engine.train, str(ids[8]))
    done = review(lab)
    assert done.state == JobState.SUCCEEDED, done.error
    assert (done.result["reviewed"], done.result["failed"]) == (8, 1)
    assert list(done.result["failures"]) == [str(ids[8])]


def _reading_nothing(train: Any, broken: str) -> Any:
    """Training without a case whose label file cannot be read."""

    def without(task: Any, watch: Any) -> Any:
        return train(replace(task, train=[c for c in task.train if c.id != broken]), watch)

    return without


def test_where_no_label_can_be_judged_the_review_fails_with_the_reason(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled(lab)
    monkeypatch.setattr("limner.loop.review_run.MOST_BYTES", 10)
    done = review(lab)
    assert done.state == JobState.FAILED
    assert "None of the 9 labels could be judged" in done.error["detail"]
    assert "more than the 10" in done.error["detail"]
