"""From labels to a decided version: snapshots, cross-validation, the gate, lineage, promotion."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from limner.errors import Conflict, InvalidRequest, NotFound
from limner.loop.seeds import derived_seed
from limner.records.rows import JobKind, JobState, ModelState
from limner.records.tables import model_versions

MakeLab = Callable[..., Any]


def test_the_first_training_by_cross_validation_is_promoted_and_says_so(lab: Any) -> None:
    lab.label(lab.add_images(4))
    job = lab.train()
    assert job.state == JobState.SUCCEEDED, job.error
    assert job.result["outcome"] == "promoted"
    (version,) = lab.versions()
    assert version.state == ModelState.SERVING
    assert version.number == 1
    assert version.decision["method"] == "cross-validation"
    assert len(version.decision["cases"]) == 4
    assert any("cross-validation" in note for note in version.decision["notes"])
    assert version.metrics["score"] > 0.5
    assert lab.project.serving_model_id == version.id
    assert lab.project.round == 1


def test_folds_never_see_what_they_are_scored_on_and_cost_half_a_training_each(lab: Any) -> None:
    lab.label(lab.add_images(5))
    lab.train()
    folds = [task for name, task in lab.engine.calls if name == "train"][:2]
    scored = [cases for name, (_, cases) in _evaluations(lab)]
    assert len(scored) == 3  # each fold, and the final version for a collapse
    for task, cases in zip(folds, scored[:2], strict=True):
        assert not {each.id for each in task.train} & set(cases)
        assert task.effort == 0.5
    final = [task for name, task in lab.engine.calls if name == "train"][2]
    assert len(final.train) == 5
    assert final.effort == 1.0


def test_with_enough_labels_the_validation_set_decides_and_is_never_trained_on(lab: Any) -> None:
    samples = lab.add_images(12, validation=3)
    lab.label(samples)
    job = lab.train()
    (version,) = lab.versions()
    assert job.result["outcome"] == "promoted"
    assert version.decision["method"] == "validation"
    assert set(version.decision["cases"]) == {str(each) for each in samples[-3:]}
    assert lab.seen_by(version) == set(samples[:-3])
    assert version.label_count == 9
    assert lab.engine.counted("train") == 1


def test_a_validation_set_that_cannot_tell_is_replaced_by_cross_validation(lab: Any) -> None:
    samples = lab.add_images(12, validation=3)
    lab.label(samples)
    lab.engine.one_sided = {tuple(map(str, samples[-3:]))}
    lab.train()
    (version,) = lab.versions()
    assert version.decision["method"] == version.metrics["method"] == "cross-validation"
    assert "3 validation cases cannot tell" in version.decision["notes"][0]
    assert set(version.decision["cases"]) == set(map(str, samples))
    assert "evaluation" not in version.metrics
    assert lab.seen_by(version) == set(samples[:-3])
    trainings = [detail for name, detail in lab.engine.calls if name == "train"]
    assert [each.workspace.name for each in trainings] == ["final", "fold-1", "fold-2"]


def test_a_single_label_cannot_be_measured_and_the_decision_says_that(lab: Any) -> None:
    lab.label(lab.add_images(1))
    lab.train()
    (version,) = lab.versions()
    assert version.state == ModelState.SERVING
    assert version.decision["method"] == "none"
    assert version.metrics["score"] is None
    assert any("nothing would be left" in note for note in version.decision["notes"])


def test_labels_that_are_all_for_validation_are_learnt_from(lab: Any) -> None:
    samples = lab.add_images(3, validation=3)
    lab.label(samples)
    lab.train()
    (version,) = lab.versions()
    assert lab.seen_by(version) == set(samples)


def test_a_worse_candidate_is_kept_and_refused_and_the_next_starts_from_scratch(lab: Any) -> None:
    samples = lab.add_images(16, validation=4)
    lab.label(samples[:6] + samples[-4:])
    lab.engine.scores = [0.8]
    lab.train()
    lab.label(samples[6:7])
    lab.engine.scores = [0.5]  # the candidate; what the serving version has is remembered
    refused = lab.train()
    assert refused.result["outcome"] == "refused"
    first, second = lab.versions()
    assert second.state == ModelState.REFUSED
    assert second.parent_id == first.id
    assert second.weights_sha256 is not None
    assert second.decision["compared_with"] == 1
    assert second.decision["mean_difference"] == pytest.approx(-0.3)
    assert lab.serving().id == first.id
    lab.engine.scores = [0.9]
    assert lab.train().result["outcome"] == "promoted"
    third = lab.versions()[-1]
    assert third.parent_id is None
    assert "refused" in third.notes[0]
    assert lab.serving().id == third.id
    assert lab.versions()[0].state == ModelState.RETIRED


def test_an_equal_candidate_with_more_labels_is_promoted(lab: Any) -> None:
    samples = lab.add_images(14, validation=4)
    lab.label(samples[:7] + samples[-4:])
    lab.engine.scores = [0.8]
    lab.train()
    lab.label(samples[7:8])
    lab.engine.scores = [0.8]
    assert lab.train().result["outcome"] == "promoted"


def test_the_serving_version_is_measured_again_only_when_the_validation_set_has_grown(
    lab: Any,
) -> None:
    samples = lab.add_images(20, validation=5)
    lab.label(samples[:8] + samples[-5:-1])
    lab.train()
    before = lab.engine.counted("evaluate")
    lab.train()
    assert lab.engine.counted("evaluate") == before + 1
    lab.label(samples[-1:])
    lab.train()
    assert lab.engine.counted("evaluate") == before + 3
    assert len(lab.versions()[-1].decision["cases"]) == 5


def test_a_training_starts_warm_and_from_scratch_once_labels_have_grown_by_half(lab: Any) -> None:
    samples = lab.add_images(24, validation=4)
    lab.label(samples[:8] + samples[-4:])
    lab.engine.scores = [0.5]
    lab.train()
    lab.label(samples[8:10])
    lab.engine.scores = [0.6]
    lab.train()
    lab.label(samples[10:12])
    lab.engine.scores = [0.7]
    lab.train()
    first, second, third = lab.versions()
    assert [each.parent_id for each in (first, second, third)] == [None, first.id, None]
    warm = [task for name, task in lab.engine.calls if name == "train"][1]
    assert warm.parent == lab.blobs.path(first.weights_sha256)
    assert sum(each.is_new for each in warm.train) == 2


def test_a_training_from_scratch_can_be_asked_for(lab: Any) -> None:
    lab.label(lab.add_images(12, validation=3))
    lab.train()
    lab.train(from_scratch=True, effort=0.5)
    assert lab.versions()[-1].parent_id is None
    assert [t for name, t in lab.engine.calls if name == "train"][-1].effort == 0.5


def test_an_untested_version_serves_only_where_none_does(lab: Any) -> None:
    samples = lab.add_images(4)
    lab.label(samples[:2])
    assert lab.train(untested=True).result["outcome"] == "promoted"
    lab.label(samples[2:])
    assert lab.train(untested=True).result["outcome"] == "refused"
    first, second = lab.versions()
    assert (first.state, second.state) == (ModelState.SERVING, ModelState.REFUSED)
    assert lab.serving().id == first.id
    assert second.decision["compared_with"] == 1
    assert "so the serving one stays" in second.decision["reason"]
    assert lab.seen_by(second) == set(samples)
    lab.models.promote("demo", 2, "ann")
    assert lab.serving().id == second.id


@pytest.mark.parametrize("validation", [0, 3])
def test_an_untested_version_is_recorded_unmeasured_without_cross_validation(
    lab: Any, validation: int
) -> None:
    lab.label(lab.add_images(12, validation=validation))
    lab.train(untested=True)
    (version,) = lab.versions()
    assert [name for name, _ in lab.engine.calls if name in ("train", "evaluate")] == ["train"]
    assert version.metrics["score"] is None
    assert "evaluation" not in version.metrics
    assert version.decision["method"] == "none"
    assert version.decision["cases"] == []
    assert "It was not measured, as was asked for." in version.decision["notes"]
    assert len(lab.seen_by(version)) == 12 - validation


def test_an_untested_version_does_not_replace_one_of_other_classes(lab: Any) -> None:
    lab.label(lab.add_images(3))
    lab.train(untested=True)
    first = lab.serving()
    with lab.records.write() as tx:
        other = {**first.metrics, "classes": {"blob": 1, "gone": 2}}
        tx.execute(
            update(model_versions).where(model_versions.c.id == first.id).values(metrics=other)
        )
    assert lab.train(untested=True).result["outcome"] == "refused"
    assert lab.serving().id == first.id


def test_after_an_untested_version_others_are_tested_as_ever(lab: Any) -> None:
    lab.label(lab.add_images(4))
    lab.train(untested=True)
    lab.engine.calls.clear()
    lab.train()
    second = lab.versions()[-1]
    assert second.decision["method"] == "cross-validation"
    assert second.decision["cases"] != []


@pytest.mark.parametrize(
    "params", [{"effort": 0}, {"effort": "much"}, {"speed": 3}, {"untested": "yes"}]
)
def test_a_training_with_wishes_that_do_not_fit_is_refused(lab: Any, params: Any) -> None:
    lab.label(lab.add_images(1))
    with pytest.raises(InvalidRequest):
        lab.retrain.request("demo", "ann", params)
    assert lab.open_jobs() == []


def test_a_training_without_labels_is_refused_with_the_reason(lab: Any) -> None:
    lab.add_images(2)
    with pytest.raises(Conflict, match="no submitted label"):
        lab.retrain.request("demo", "ann")
    with pytest.raises(NotFound, match="nowhere"):
        lab.retrain.request("nowhere", "ann")


def test_under_ten_labels_a_candidate_is_compared_on_cases_new_to_the_serving_version(
    lab: Any,
) -> None:
    samples = lab.add_images(6)
    lab.label(samples[:3])
    lab.train()
    lab.label(samples[3:5])
    lab.engine.calls.clear()
    lab.train()
    second = lab.versions()[-1]
    assert set(second.decision["cases"]) == {str(each) for each in samples[3:5]}
    assert second.decision["compared_with"] == 1
    folds = [task for name, task in lab.engine.calls if name == "train"][:-1]
    for task in folds:
        assert {str(each) for each in samples[:3]} <= {case.id for case in task.train}


def test_with_no_case_new_to_the_serving_version_the_decision_says_who_is_favoured(
    lab: Any,
) -> None:
    lab.label(lab.add_images(4))
    lab.train()
    lab.train()
    second = lab.versions()[-1]
    assert any("favours it" in note for note in second.decision["notes"])


def test_a_collapsed_first_training_is_not_served(lab: Any) -> None:
    lab.label(lab.add_images(12, validation=3))
    lab.engine.scores = [0.0]
    assert lab.train().result["outcome"] == "refused"
    assert lab.serving() is None
    assert lab.project.serving_model_id is None


def test_lineage_names_labels_seed_plan_options_and_libraries(lab: Any) -> None:
    lab.label(lab.add_images(12, validation=3))
    job = lab.train()
    (version,) = lab.versions()
    assert version.job_id == job.id
    assert version.app == "tiny"
    assert version.app_version == "1.0.0"
    assert {"limner", "python", "numpy"} <= set(version.libraries)
    assert version.options["step_seconds"] == 0.0
    assert version.plan == {"axes": 3, "channels": 1}
    assert version.metrics["classes"] == {"blob": 1}
    assert version.metrics["steps"] == 20
    json.dumps([version.metrics, version.decision, version.plan], allow_nan=False)


def test_the_seed_of_a_training_follows_from_the_project_and_the_version(lab: Any) -> None:
    lab.label(lab.add_images(12, validation=3))
    lab.train()
    lab.train()
    first, second = lab.versions()
    assert first.seed == derived_seed(3, "train", 1)
    assert second.seed == derived_seed(3, "train", 2)
    assert second.decision["seed"] == derived_seed(second.seed, "gate")


def test_a_training_uses_the_newest_label_of_each_sample(lab: Any) -> None:
    samples = lab.add_images(3)
    lab.label(samples)
    lab.label(samples[:1], author="ben")
    lab.train()
    assert lab.versions()[0].label_count == 3


def test_a_failed_training_says_why_and_its_labels_count_again(lab: Any) -> None:
    lab.label(lab.add_images(4))
    lab.engine.errors["train"] = Conflict("The device is on fire.")
    job = lab.train()
    assert job.state == JobState.FAILED
    assert job.error == {"type": "Conflict", "detail": "The device is on fire."}
    assert lab.project.labels_since_training == 4
    assert lab.versions() == []
    assert not list((lab.home / "work" / str(lab.project_id)).glob(f"{job.id}"))


def test_an_unexpected_error_is_recorded_and_the_next_job_runs(lab: Any) -> None:
    lab.label(lab.add_images(4))
    lab.engine.errors["train"] = ZeroDivisionError("oops")
    job = lab.train()
    assert job.state == JobState.FAILED
    assert job.error["type"] == "ZeroDivisionError"
    assert "log" in job.error["detail"]
    del lab.engine.errors["train"]
    assert lab.train().state == JobState.SUCCEEDED


def test_a_cancelled_training_leaves_the_serving_version_and_no_workspace(lab: Any) -> None:
    lab.label(lab.add_images(4))
    reached = lab.engine.hold("train")
    job = lab.retrain.request("demo", "ann")
    assert reached.wait(60)
    assert lab.jobs.get(job.id).state == JobState.RUNNING
    lab.jobs.cancel(job.id, "ann")
    assert lab.wait(job).state == JobState.CANCELLED
    assert lab.versions() == []
    assert not (lab.home / "work" / str(lab.project_id) / str(job.id)).exists()


def test_labels_that_arrive_while_training_wait_for_the_next_round(make_lab: MakeLab) -> None:
    lab = make_lab(retrain_every=3)
    lab.start()
    samples = lab.add_images(20)
    lab.label(samples[:3])
    reached = lab.engine.hold("train")
    lab.retrain.label_submitted(lab.project)
    assert reached.wait(60)
    assert lab.project.labels_since_training == 0
    for sample in samples[3:8]:
        lab.label([sample])
        lab.retrain.label_submitted(lab.project)
    trainings = [job for job in lab.open_jobs() if job.kind == JobKind.TRAIN]
    assert len(trainings) == 2
    lab.engine.release("train")
    lab.idle()
    first, second = lab.versions()
    assert lab.seen_by(first) == set(samples[:3])
    assert lab.seen_by(second) == set(samples[:8])
    assert lab.project.labels_since_training == 0


def test_a_training_that_ends_with_enough_new_labels_queues_the_next(make_lab: MakeLab) -> None:
    lab = make_lab(retrain_every=2)
    lab.start()
    samples = lab.add_images(6)
    lab.label(samples[:2])
    reached = lab.engine.hold("train")
    lab.retrain.label_submitted(lab.project)
    assert reached.wait(60)
    lab.label(samples[2:4])  # the server heard nothing of these: it looks when it is done
    lab.engine.release("train")
    lab.idle()
    assert len(lab.versions()) == 2


def test_too_few_new_labels_start_nothing(make_lab: MakeLab) -> None:
    lab = make_lab(retrain_every=3)
    lab.label(lab.add_images(2))
    lab.retrain.label_submitted(lab.project)
    lab.retrain.catch_up()
    assert lab.open_jobs() == []


def test_labels_counted_before_a_crash_start_their_training_at_the_next_start(
    make_lab: MakeLab,
) -> None:
    lab = make_lab(retrain_every=2)
    lab.label(lab.add_images(2))
    lab.restart()
    lab.retrain.catch_up()
    assert [job.kind for job in lab.open_jobs()] == [JobKind.TRAIN]


def test_the_timer_trains_when_time_has_passed_and_there_are_new_labels(make_lab: MakeLab) -> None:
    lab = make_lab(retrain_minutes=10)
    lab.retrain.tick()
    lab.clock.now += 700
    lab.retrain.tick()
    assert lab.open_jobs() == []
    lab.label(lab.add_images(1))
    lab.retrain.tick()
    assert len(lab.open_jobs()) == 1
    lab.retrain.tick()
    assert len(lab.open_jobs()) == 1


def _evaluations(lab: Any) -> list[tuple[str, Any]]:
    return [(name, detail) for name, detail in lab.engine.calls if name == "evaluate"]
