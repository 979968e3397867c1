"""Trials: from the first label of an arm to a queue that follows what was measured."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from limner.loop.assign import Assignments, Lent
from limner.loop.progress import ProgressReports
from limner.loop.trial_plan import FEWEST, FEWEST_CASES
from limner.plugin import CONTROL_ARM, Evaluation
from limner.records import jobs as job_rows
from limner.records import trials as trial_rows
from limner.records.rows import ArmTrial, JobKind, JobState

MakeLab = Callable[..., Any]
OPTIONS = {"strategies": ["clasp"], "control": 0.5}


@pytest.fixture
def auto(make_lab: MakeLab) -> Any:
    """A project that goes by what was bought, with a version that serves and a queue."""
    lab = make_lab(strategy="auto", strategy_options=OPTIONS, validation_share=0, queue_length=30)
    lab.start()
    ids = lab.add_images(40, validation=FEWEST_CASES)
    lab.label([*ids[:4], *ids[-FEWEST_CASES:]])
    lab.train()
    lab.idle()
    assert lab.serving() is not None
    return lab


def lend(lab: Any) -> Lent:
    parts = (lab.records, lab.projects, lab.jobs, lab.events, lab.clock)
    lent = Assignments(*parts).next("demo", "ann")
    assert isinstance(lent, Lent)
    return lent


def label_next(lab: Any, count: int) -> list[Lent]:
    given = []
    for _ in range(count):
        lent = lend(lab)
        lab.label([lent.sample.id], assignment=lent.assignment.id)
        given.append(lent)
    return given


def trials(lab: Any) -> list[ArmTrial]:
    with lab.records.read() as tx:
        return trial_rows.newest(tx, lab.project_id, limit=100)


def trial_jobs(lab: Any) -> list[Any]:
    return [each for each in lab.jobs.list("demo", None, 100).items if each.kind == JobKind.TRIAL]


def score_trials(lab: Any, scores: Sequence[float]) -> None:
    """Have the models of a trial score so, in the order of its arms; others as they do."""
    evaluate = lab.engine.evaluate

    def scored(model: Any, cases: Any, watch: Any) -> Evaluation:
        found: Evaluation = evaluate(model, cases, watch)
        parts = [part for part in model.weights.parts if part.startswith("without-")]
        if parts:
            score = scores[int(parts[0].removeprefix("without-"))]
            return replace(found, case_scores=dict.fromkeys(found.case_scores, score))
        return found

    lab.engine.evaluate = scored


def hold_second_model(lab: Any) -> tuple[list[str], threading.Event]:
    """Hold a trial in its second training; return what was begun, and an event for that."""
    train, begun, reached = lab.engine.train, [], threading.Event()

    def held(task: Any, watch: Any) -> Any:
        begun.append(task.workspace.name)
        if begun.count("without-1") == 1 and begun[-1] == "without-1":
            lab.engine.hold("train")
            reached.set()
        return train(task, watch)

    lab.engine.train = held
    return begun, reached


def test_labels_of_arms_are_tried_after_the_training_and_the_queue_follows(auto: Any) -> None:
    given = label_next(auto, 2 * FEWEST)
    arms = [each.assignment.arm for each in given]
    assert (arms.count(CONTROL_ARM), arms.count("clasp")) == (FEWEST, FEWEST)
    assert {each.assignment.strategy for each in given} == {"auto"}
    before = len(auto.engine.calls)
    auto.train()
    auto.idle()
    (job,) = trial_jobs(auto)
    assert job.state == JobState.SUCCEEDED, job.error
    (found,) = trials(auto)
    assert (found.arm, found.labels, found.measure) == ("clasp", FEWEST, "dice")
    assert len(found.differences) == FEWEST_CASES
    assert job.result["gains"]["clasp"] == pytest.approx(
        sum(found.differences.values()) / FEWEST_CASES
    )
    calls = auto.engine.calls[before:]
    (pool,) = [told[1] for what, told in calls if what == "pick"][-1:]
    assert pool.bought["clasp"].gain == pytest.approx(job.result["gains"]["clasp"])
    assert pool.bought["clasp"].trials == 1
    last = max(number for number, (what, _) in enumerate(calls) if what == "evaluate")
    assert "pick" in {what for what, _ in calls[last:]}


def test_each_model_lacks_as_many_labels_of_one_arm_and_is_let_go(auto: Any) -> None:
    given = label_next(auto, 2 * FEWEST)
    of_arm = {
        arm: {str(each.sample.id) for each in given if each.assignment.arm == arm}
        for arm in (CONTROL_ARM, "clasp")
    }
    auto.train()
    auto.idle()
    main, *tried = [told for what, told in auto.engine.calls if what == "train"][-3:]
    everything = {case.id for case in main.train}
    assert [everything - {case.id for case in each.train} for each in tried] == [
        of_arm[CONTROL_ARM],
        of_arm["clasp"],
    ]
    assert all(each.parent is None and not each.validation for each in tried)
    assert len({each.seed for each in tried}) == 1
    assert len(auto.versions()) == 2
    assert not [each for each in (auto.home / "work").glob("*/*") if each.name.isdigit()]


def test_a_label_is_tried_once(auto: Any) -> None:
    label_next(auto, 2 * FEWEST)
    auto.train()
    auto.idle()
    auto.train()
    auto.idle()
    assert len(trial_jobs(auto)) == 1
    label_next(auto, 2 * FEWEST)
    auto.train()
    auto.idle()
    first, second = sorted(trials(auto), key=lambda each: each.job_id)
    assert first.newest_label_id < second.newest_label_id


def test_an_arm_whose_labels_are_worth_less_gives_its_place_up(auto: Any) -> None:
    """Without the control's labels 0.5, without those of clasp 0.7: clasp has bought less."""
    score_trials(auto, [0.5, 0.7])
    for _ in range(2):
        label_next(auto, 2 * FEWEST)
        auto.train()
        auto.idle()
    (job, _) = trial_jobs(auto)
    assert job.result["gains"] == {"clasp": pytest.approx(-0.2)}
    lent = label_next(auto, 4)
    assert {each.assignment.arm for each in lent} == {CONTROL_ARM, "foreground"}
    report = ProgressReports(auto.records, auto.projects, auto.models, auto.jobs).report("demo")
    found = {each.arm: each for each in report.arms}
    assert [(each.arm, each.standing) for each in report.arms] == [
        (CONTROL_ARM, "control"),
        ("clasp", "less"),
        ("foreground", "open"),
    ]
    assert found["clasp"].labels == 2 * FEWEST
    assert found["clasp"].bought is not None
    assert found["clasp"].bought.high < 0


@pytest.mark.parametrize(
    ("labels", "changes"),
    [
        (2 * FEWEST - 2, {}),
        (2 * FEWEST, {"strategy": "entropy"}),
    ],
)
def test_there_is_no_trial_without_need(auto: Any, labels: int, changes: dict[str, Any]) -> None:
    label_next(auto, labels)
    if changes:
        auto.projects.change("demo", settings=changes, actor="chief")
    auto.train()
    auto.idle()
    assert trial_jobs(auto) == []


def test_there_is_no_trial_without_a_validation_set(make_lab: MakeLab) -> None:
    lab = make_lab(strategy="auto", strategy_options=OPTIONS, validation_share=0, queue_length=30)
    lab.start()
    ids = lab.add_images(30, validation=FEWEST_CASES - 1)
    lab.label([*ids[:4], *ids[1 - FEWEST_CASES :]])
    lab.train()
    lab.idle()
    label_next(lab, 2 * FEWEST)
    lab.train()
    lab.idle()
    assert trial_jobs(lab) == []


def test_a_trial_goes_on_from_its_finished_models_after_a_restart(auto: Any) -> None:
    label_next(auto, 2 * FEWEST)
    begun, reached = hold_second_model(auto)
    auto.train()
    assert reached.wait(60)
    auto.restart()
    (job,) = trial_jobs(auto)
    assert job.state == JobState.QUEUED
    assert "_trial" not in job.params
    auto.engine.held.clear()
    auto.start()
    assert auto.wait(job.id).state == JobState.SUCCEEDED
    assert begun == ["final", "without-0", "without-1", "without-1"]
    assert len(trials(auto)) == 1


def test_a_trial_that_is_cancelled_leaves_nothing(auto: Any) -> None:
    label_next(auto, 2 * FEWEST)
    _, reached = hold_second_model(auto)
    auto.train()
    assert reached.wait(60)
    (job,) = trial_jobs(auto)
    auto.jobs.cancel(job.id, "ann")
    assert auto.wait(job.id).state == JobState.CANCELLED
    assert trials(auto) == []
    assert not (auto.home / "work" / str(auto.project_id) / str(job.id)).exists()


def test_a_server_that_ends_after_the_record_does_not_try_again(auto: Any) -> None:
    label_next(auto, 2 * FEWEST)
    auto.train()
    auto.idle()
    (job,) = trial_jobs(auto)
    auto.restart()
    with auto.records.write() as tx:
        job_rows.change(tx, job.id, state="running", finished_at=None, result={})
    auto.engine.calls.clear()
    auto.start()
    assert auto.wait(job.id).result == job.result
    assert auto.engine.counted("train") == 0
    assert len(trials(auto)) == 1


@pytest.mark.parametrize("score", [0.0, float("nan")])
def test_a_trial_of_a_model_that_learnt_nothing_is_not_recorded(auto: Any, score: float) -> None:
    score_trials(auto, [0.5, score])
    label_next(auto, 2 * FEWEST)
    auto.train()
    auto.idle()
    (job,) = trial_jobs(auto)
    assert job.state == JobState.FAILED
    assert "compares nothing: of the model without labels of 'clasp'" in job.error["detail"]
    assert trials(auto) == []
    assert not (auto.home / "work" / str(auto.project_id) / str(job.id)).exists()


def test_the_arm_stays_with_what_goes_back_to_the_queue(auto: Any) -> None:
    lent = lend(auto)
    parts = (auto.records, auto.projects, auto.jobs, auto.events, auto.clock)
    Assignments(*parts).release(lent.assignment.id)
    again = lend(auto)
    assert (again.sample.id, again.assignment.arm) == (lent.sample.id, lent.assignment.arm)
