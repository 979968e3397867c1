"""What scoring leaves: descriptions, predictions, a queue; and what it does not do twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from limner.errors import UnreadableImage, WorkerDied
from limner.loop.pool import assemble
from limner.plugin import Need
from limner.records import assignments
from limner.records import descriptions as description_rows
from limner.records import projects as project_rows
from limner.records import samples as sample_rows
from limner.records.rows import JobKind, JobState, SampleState
from limner.records.tables import descriptions, predictions, queue

MakeLab = Callable[..., Any]


@pytest.fixture
def trained(make_lab: MakeLab) -> Any:
    """A project of 20 images, 4 of them labelled, one drawn for validation, whose model serves."""
    return _trained(make_lab)


def test_before_a_model_the_cold_start_strategy_fills_the_queue(make_lab: MakeLab) -> None:
    lab = make_lab(cold_start="first")
    lab.start()
    samples = lab.add_images(6, validation=1)
    job = lab.rescore()
    assert job.result == {"version": None, "queued": 5, "strategy": "first"}
    assert lab.queue() == samples[:5]
    assert lab.project.queued == 5


def test_a_cold_start_strategy_that_needs_a_model_fails_with_the_reason(make_lab: MakeLab) -> None:
    lab = make_lab()
    with lab.records.write() as tx:  # as if settings had been made before the strategy changed
        changed = {**lab.project.settings, "cold_start": "entropy"}
        project_rows.change(tx, lab.project_id, settings=changed)
    lab.start()
    lab.add_images(2)
    job = lab.rescore()
    assert job.state == JobState.FAILED
    assert "cold_start" in job.error["detail"]


def test_a_promotion_describes_the_pool_and_leaves_a_queue_by_the_strategy(trained: Any) -> None:
    lab = trained
    with lab.records.read() as tx:
        described = {row.sample_id: row.scores for row in tx.execute(select(descriptions))}
        drawn = tx.execute(select(predictions.c.sample_id)).scalars().all()
        picks = tx.execute(select(queue).order_by(queue.c.position)).all()
    assert sorted(described) == sorted(drawn) == lab.pool_and_validation
    assert [each.sample_id for each in picks] == sorted(
        lab.pool, key=lambda sample: -described[sample]["entropy"]
    )
    assert {each.model_id for each in picks} == {lab.serving().id}
    assert all(each.reason for each in picks)


def test_only_what_is_new_or_has_changed_is_described_again(trained: Any) -> None:
    lab = trained
    lab.engine.calls.clear()
    assert lab.rescore().result["described"] == 0
    (new,) = lab.add_images(1)
    lab.touch(lab.pool[0])
    job = lab.rescore()
    assert job.result["described"] == 2
    assert {n for name, n in lab.engine.calls if name == "describe"} == {new, lab.pool[0]}
    assert new in lab.queue()


def test_labelled_and_held_and_validation_samples_are_not_queued(trained: Any) -> None:
    lab = trained
    held = lab.queue()[0]
    with lab.records.write() as tx:
        assignments.add(
            tx,
            project_id=lab.project_id,
            sample_id=held,
            annotator="ann",
            state="held",
            slot=0,
            purpose="training",
            strategy="entropy",
            score=None,
            reason="",
            position=0,
            created_at=0.0,
            expires_at=9e9,
        )
    lab.label([lab.pool[1]])
    lab.rescore()
    assert not {held, lab.pool[1], lab.validation} & set(lab.queue())


def test_an_image_that_fails_is_counted_and_comes_last(trained: Any) -> None:
    lab = trained
    bad, *_ = lab.add_images(3)
    lab.engine.errors[f"describe/{bad}"] = UnreadableImage("truncated")
    job = lab.rescore()
    assert job.state == JobState.SUCCEEDED
    assert job.result["described"] == 2
    assert job.result["failures"] == {str(bad): "UnreadableImage: truncated"}
    assert lab.queue()[-1] == bad


def test_a_worker_that_keeps_dying_fails_the_job_and_what_was_described_stays(
    trained: Any,
) -> None:
    lab = trained
    before = lab.queue()
    lab.add_images(3)
    lab.engine.describe = _dies_after(lab.engine.describe, 1)
    job = lab.rescore()
    assert job.state == JobState.FAILED
    assert job.error["type"] == "WorkerDied"
    assert lab.queue() == before
    with lab.records.read() as tx:
        assert description_rows.count(tx, lab.serving().id) == len(lab.pool_and_validation) + 1


def test_what_older_versions_said_goes_and_shared_files_stay(trained: Any) -> None:
    lab = trained
    first = lab.serving()
    lab.engine.scores = [0.9, 0.9, 0.5]  # two folds, then the serving version
    lab.train(from_scratch=True)
    lab.idle()
    second = lab.serving()
    assert second.number == 2
    with lab.records.read() as tx:
        assert description_rows.count(tx, first.id) == 0
        rows = tx.execute(select(predictions)).all()
    assert {row.model_id for row in rows} == {second.id}
    files = [path for path in (lab.home / "predictions").rglob("*") if path.is_file()]
    kept = {path.parent.name + path.name for path in files}
    assert kept == {row.sha256 for row in rows}


def test_a_scoring_makes_room_for_a_training_and_goes_on_with_the_newest_version(
    trained: Any,
) -> None:
    lab = trained
    lab.add_images(5)
    reached = lab.engine.hold("describe")
    score = lab.jobs.ensure(lab.project_id, JobKind.SCORE)
    assert reached.wait(60)
    lab.engine.scores = [0.9, 0.9, 0.5]  # two folds, then the serving version
    lab.retrain.request("demo", "ann")
    del lab.engine.held["describe"]
    ended = lab.wait(score)
    assert ended.state == JobState.SUCCEEDED
    assert ended.result["version"] == 2


def test_a_scoring_is_cancelled_between_images_and_keeps_what_it_has(trained: Any) -> None:
    lab = trained
    lab.add_images(5)
    reached = lab.engine.hold("describe")
    job = lab.jobs.ensure(lab.project_id, JobKind.SCORE)
    assert reached.wait(60)
    lab.jobs.cancel(job.id, "ann")
    assert lab.wait(job).state == JobState.CANCELLED
    assert len(lab.queue()) > 0


def test_a_version_promoted_by_hand_while_scoring_is_scored_next(trained: Any) -> None:
    lab = trained
    lab.engine.scores = [0.9, 0.9, 0.5]  # two folds, then the serving version
    lab.train(from_scratch=True)
    lab.idle()
    lab.add_images(3)
    reached = lab.engine.hold("describe")
    job = lab.jobs.ensure(lab.project_id, JobKind.SCORE)
    assert reached.wait(60)
    lab.models.promote("demo", 1, "ann")
    lab.engine.release("describe")
    assert lab.wait(job).result["superseded"] is True
    lab.idle()
    with lab.records.read() as tx:
        models = set(tx.execute(select(queue.c.model_id)).scalars())
        assert description_rows.count(tx, lab.serving().id) > 0
    assert models == {lab.serving().id}


def test_a_strategy_that_needs_nothing_costs_predictions_of_the_queue_and_of_fixed_images(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.loop.stability.IMAGES", 1)
    lab = _trained(make_lab, strategy="random", queue_length=3)
    with lab.records.read() as tx:
        described = tx.execute(select(predictions.c.sample_id)).scalars().all()
    queued = lab.queue()
    assert len(queued) == 3
    assert set(queued) <= set(described)
    assert len(described) <= len(queued) + 1
    pool = next(detail for name, detail in lab.engine.calls[::-1] if name == "pick")[1]
    assert pool.scores == {}
    assert pool.embedding is None


def test_a_large_pool_gets_a_first_queue_before_all_of_it_is_described(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.loop.scoring.FIRST_PART", 4)
    monkeypatch.setattr("limner.loop.scoring.BATCH", 2)
    lab = _trained(make_lab)
    pools = [detail[1] for name, detail in lab.engine.calls if name == "pick"]
    known = [int(np.isfinite(pool.scores["entropy"]).sum()) for pool in pools if pool.scores]
    assert known == sorted(known)
    assert len(known) >= 3
    assert known[0] < known[-1] == len(lab.pool)


def test_the_queue_is_no_longer_than_the_project_says(make_lab: MakeLab) -> None:
    lab = _trained(make_lab, queue_length=4)
    assert len(lab.queue()) == 4


def test_the_pool_holds_what_was_asked_for_in_rows_of_its_ids(trained: Any) -> None:
    lab = trained
    (new,) = lab.add_images(1)
    pool = assemble(lab.records, lab.project, lab.serving().id, frozenset(Need))
    assert pool.class_scores is not None
    assert pool.class_fractions is not None
    assert pool.embedding is not None
    assert pool.ids.tolist() == [*lab.pool, new]
    assert np.isnan(pool.scores["entropy"][-1])
    assert np.isfinite(pool.scores["entropy"][:-1]).all()
    assert pool.class_scores.shape == (len(pool.ids), 1)
    np.testing.assert_allclose(pool.class_fractions[:-1].sum(axis=1), 1, rtol=1e-5)
    assert pool.embedding.shape[0] == len(pool.ids)
    assert pool.round == 1


FARTHEST = """
import numpy as np
from limner.plugin import Need, Pick, StrategyManifest

manifest = StrategyManifest(
    name="farthest", version="1.0", factory=":Farthest", needs=frozenset({Need.EMBEDDING}),
    title="Farthest from what is labelled", licence="Apache-2.0",
)

class Farthest:
    def pick(self, pool, count, seed):
        assert pool.scores == {} and pool.class_scores is None
        away = np.linalg.norm(pool.embedding[:, None] - pool.labelled_embedding[None], axis=2)
        order = np.argsort(-away.min(axis=1), kind="stable")[:count]
        return [Pick(index=int(i), score=float(away[i].min()), reason="far") for i in order]
"""


def test_a_strategy_on_embeddings_sees_those_of_labelled_samples_too(
    make_lab: MakeLab, tmp_path: Path
) -> None:
    (tmp_path / "farthest.py").write_text(FARTHEST)
    lab = _trained(make_lab, plugins=[tmp_path / "farthest.py"], strategy="farthest")
    pool = next(detail for name, detail in lab.engine.calls[::-1] if name == "pick")[1]
    assert pool.embedding.shape == (15, 8)
    assert pool.labelled_embedding.shape == (4, 8)
    assert np.isfinite(pool.embedding).all()
    assert sorted(lab.queue()) == lab.pool


def test_minutes_are_predicted_once_twenty_labels_say_how_long_they_took(
    make_lab: MakeLab,
) -> None:
    lab = make_lab(strategy="per-minute")
    lab.start()
    samples = lab.add_images(28)
    for number, sample in enumerate(samples[:19]):
        lab.label([sample], seconds=60.0 + number)
    lab.label(samples[19:21])
    lab.train()
    lab.idle()
    before = last_pool(lab)
    assert before.cost is None
    assert before.class_fractions is None
    lab.label([samples[21]], seconds=70.0)
    lab.rescore()
    pool = last_pool(lab)
    assert pool.cost is not None
    assert pool.cost.shape == (6,)
    assert ((pool.cost > 0.9) & (pool.cost < 1.5)).all()
    with lab.records.read() as tx:
        reasons = tx.execute(select(queue.c.reason)).scalars().all()
    assert all(each.endswith("minutes") for each in reasons)
    (new,) = lab.add_images(1)
    fresh = assemble(lab.records, lab.project, lab.serving().id, frozenset({Need.COST}))
    assert fresh.cost is not None
    assert fresh.ids.tolist() == [*samples[22:], new]
    assert np.isnan(fresh.cost).tolist() == [False] * 6 + [True]
    assert fresh.scores == {}


def test_a_pool_without_a_model_is_its_ids_alone(trained: Any) -> None:
    pool = assemble(trained.records, trained.project, None, frozenset(Need))
    assert pool.ids.tolist() == trained.pool
    assert pool.scores == {}


def test_descriptions_are_read_back_as_they_were_said(trained: Any) -> None:
    lab = trained
    sample = lab.sample(lab.pool[0])
    source = lab.projects.source(lab.project, sample)
    said = []
    lab.engine.describe(
        lab.models.ref(lab.project, lab.serving()),
        [(sample.id, source)],
        _never_stops(),
        lambda _, answer: said.append(answer),
    )
    pool = assemble(lab.records, lab.project, lab.serving().id, frozenset(Need))
    assert pool.class_scores is not None
    assert pool.embedding is not None
    row = pool.ids.tolist().index(sample.id)
    np.testing.assert_array_equal(pool.embedding[row], said[0].description.embedding)
    np.testing.assert_array_equal(pool.class_scores[row], said[0].description.class_scores)
    assert pool.scores["entropy"][row] == pytest.approx(said[0].description.scores["entropy"])


def test_predictions_in_bulk_are_made_where_they_are_due_and_nowhere_else(trained: Any) -> None:
    lab = trained
    new = lab.add_images(2)
    job = lab.jobs.ensure(lab.project_id, JobKind.PREDICT, {"samples": [*new, lab.pool[0]]})
    result = lab.wait(job).result
    assert result["described"] == 2
    assert result["current"] == 1


def test_an_empty_pool_leaves_an_empty_queue(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.start()
    lab.label(lab.add_images(3))
    lab.train()
    lab.idle()
    assert lab.queue() == []
    assert lab.jobs.list("demo", None, 1).items[0].state == JobState.SUCCEEDED


def last_pool(lab: Any) -> Any:
    return next(detail for name, detail in lab.engine.calls[::-1] if name == "pick")[1]


def _trained(make_lab: MakeLab, **settings: Any) -> Any:
    lab = make_lab(**settings)
    lab.start()
    samples = lab.add_images(20, validation=1)
    lab.label(samples[:4])
    lab.train()
    lab.idle()
    lab.pool = samples[4:-1]
    lab.validation = samples[-1]
    lab.pool_and_validation = samples[4:]
    return lab


def _dies_after(describe: Any, count: int) -> Any:
    def dying(model: Any, images: Any, watch: Any, each: Any, parts: Any) -> None:
        describe(model, images[:count], watch, each)
        raise WorkerDied("The learner ended three times in a row.")

    return dying


def _never_stops() -> Any:
    class Watch:
        def progress(self, progress: Any) -> None: ...

        def should_stop(self) -> bool:
            return False

    return Watch()


def test_samples_are_walked_in_their_random_order_without_gaps(trained: Any) -> None:
    lab = trained
    with lab.records.read() as tx:
        listed = sample_rows.page(tx, lab.project_id, after=0, limit=100)
    expected = [s.id for s in sorted(listed, key=lambda s: s.draw) if s.state == "ready"]
    walked: list[int] = []
    place = description_rows.START
    while True:
        with lab.records.read() as tx:
            found = description_rows.walk(
                tx,
                lab.project_id,
                lab.serving().id,
                after=place,
                state=SampleState.READY,
                limit=3,
            )
        if not found:
            break
        walked += [each.sample.id for each in found]
        place = (found[-1].sample.draw, found[-1].sample.id)
    assert walked == expected
