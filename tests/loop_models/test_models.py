"""Which version serves, who decided that, and whose weights are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from limner.errors import Conflict, NotFound, UnsuitableInput, WorkerTimeout
from limner.records import audit
from limner.records.rows import JobKind, ModelState

MakeLab = Callable[..., Any]


@pytest.fixture
def three(make_lab: MakeLab) -> Any:
    """A project with three versions, each better than the one before."""
    lab = make_lab(keep_versions=2)
    lab.start()
    lab.label(lab.add_images(14, validation=4))
    for score in (0.6, 0.7, 0.8):
        lab.engine.scores = [score]
        lab.train()
        lab.idle()
    return lab


def test_rollback_is_one_call_and_is_on_record(three: Any) -> None:
    lab = three
    version = lab.models.promote("demo", 2, "dr who")
    assert version.state == ModelState.SERVING
    assert lab.serving().number == 2
    assert [each.state for each in lab.versions()] == ["retired", "serving", "retired"]
    assert version.decision["by_hand"] == [
        {"actor": "dr who", "at": lab.clock.now, "in_place_of": 3}
    ]
    assert version.decision["outcome"] == "promote"
    with lab.records.read() as tx:
        newest = next(
            each
            for each in audit.page(tx, lab.project_id, before=None, limit=10)
            if each.action == "model.promoted"
        )
    assert newest.actor == "dr who"
    assert newest.details == {"number": 2, "in_place_of": 3}
    assert lab.project.round == 4


def test_a_promotion_by_hand_warms_the_version_and_scores_the_pool(three: Any) -> None:
    lab = three
    lab.engine.calls.clear()
    version = lab.models.promote("demo", 2, "ann")
    assert lab.engine.calls[0] == ("warm", lab.models.ref(lab.project, version).key)
    jobs = lab.jobs.list("demo", None, 1).items
    assert jobs[0].kind == JobKind.SCORE


def test_promoting_what_serves_already_changes_nothing(three: Any) -> None:
    lab = three
    before = lab.serving()
    assert lab.models.promote("demo", 3, "ann") == before
    assert lab.project.round == 3


def test_only_the_newest_weights_are_kept_and_a_version_without_cannot_serve(three: Any) -> None:
    lab = three
    first, second, third = lab.versions()
    assert first.weights_sha256 is None
    assert lab.blobs.path(second.weights_sha256).is_file()
    assert lab.blobs.path(third.weights_sha256).is_file()
    with pytest.raises(Conflict, match="no weights any more"):
        lab.models.promote("demo", 1, "ann")


def test_pinned_and_serving_weights_stay_whatever_comes(three: Any) -> None:
    lab = three
    lab.models.pin("demo", 2, True, "ann")
    lab.engine.scores = [0.1]
    lab.train()
    lab.engine.scores = [0.1]
    lab.train()
    kept = [each.number for each in lab.versions() if each.weights_sha256 is not None]
    assert kept == [2, 3, 4, 5]
    lab.models.pin("demo", 2, False, "ann")
    lab.models.prune(lab.project)
    assert lab.versions()[1].weights_sha256 is None


def test_let_go_weights_cannot_be_pinned(three: Any) -> None:
    with pytest.raises(Conflict, match="no weights left"):
        three.models.pin("demo", 1, True, "ann")


def test_a_version_that_cannot_be_loaded_is_not_promoted(three: Any) -> None:
    lab = three
    lab.engine.errors["warm"] = UnsuitableInput("these are no weights")
    with pytest.raises(Conflict, match="cannot be loaded"):
        lab.models.promote("demo", 2, "ann")
    assert lab.serving().number == 3


def test_a_busy_engine_does_not_stand_in_the_way_of_a_rollback(three: Any) -> None:
    lab = three
    lab.engine.errors["warm"] = WorkerTimeout("busy")
    assert lab.models.promote("demo", 2, "ann").state == ModelState.SERVING


def test_a_version_keeps_the_classes_that_it_was_trained_for(three: Any) -> None:
    lab = three
    ref = lab.models.ref(lab.project, lab.serving())
    assert ref.schema.names == ("blob",)
    assert ref.key != lab.models.ref(lab.project, lab.versions()[1]).key


def test_versions_are_listed_in_pages_newest_first(three: Any) -> None:
    lab = three
    first = lab.models.list("demo", None, 2)
    second = lab.models.list("demo", first.next, 2)
    assert [each.number for each in first.items + second.items] == [3, 2, 1]


def test_what_is_not_there_is_not_found(three: Any) -> None:
    models = three.models
    for ask, given in (
        (models.get, ("demo", 9)),
        (models.get, ("nowhere", 1)),
        (models.promote, ("demo", 9, "ann")),
        (models.of_id, (999,)),
    ):
        with pytest.raises(NotFound):
            ask(*given)


def test_a_new_version_is_warmed_before_it_serves(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.start()
    lab.label(lab.add_images(4))
    serving_when_warmed = []
    warm = lab.engine.warm

    def spy(model: Any) -> None:
        serving_when_warmed.append(lab.serving())
        warm(model)

    lab.engine.warm = spy
    lab.train()
    assert serving_when_warmed == [None]
    assert lab.serving().number == 1


def test_listeners_hear_of_a_promotion(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.start()
    lab.label(lab.add_images(4))
    with lab.events.subscribe(project="demo") as news:
        lab.train()
        while (event := news.get(timeout_s=60)) is not None and event.kind != "model":
            pass
    assert event is not None
    assert event.data["number"] == 1
    assert event.data["state"] == "serving"
