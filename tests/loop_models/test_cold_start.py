"""Before a model serves a strategy may pick by what the pixels say; afterwards by the model's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select, update

from limner.errors import Conflict, NoModel, UnreadableImage
from limner.images.descriptors import LENGTHS
from limner.plugin import Pool
from limner.records import samples as sample_rows
from limner.records.rows import JobKind, JobState
from limner.records.tables import descriptions, descriptors, queue

MakeLab = Callable[..., Any]

LONGEST = """
import numpy as np
from limner.plugin import Need, Pick, StrategyManifest

manifest = StrategyManifest(
    name="longest", version="1.0", factory=":Longest", needs=frozenset({Need.EMBEDDING}),
    title="The longest embedding", licence="Apache-2.0",
)

class Longest:
    def pick(self, pool, count, seed):
        length = np.nan_to_num(np.linalg.norm(pool.embedding, axis=1), nan=-1)
        order = np.argsort(-length, kind="stable")[:count]
        return [Pick(index=int(i), score=float(length[i]), reason="long") for i in order]
"""


@pytest.fixture
def lab(make_lab: MakeLab, tmp_path: Path) -> Any:
    """A project that opens and goes on with a strategy over embeddings, and ten images."""
    (tmp_path / "longest.py").write_text(LONGEST)
    made = make_lab(plugins=[tmp_path / "longest.py"], strategy="longest", cold_start="longest")
    made.start()
    made.samples = made.add_images(10, validation=1)
    return made


def last_pool(lab: Any) -> Pool:
    pool: Pool = next(detail for name, detail in lab.engine.calls[::-1] if name == "pick")[1]
    return pool


def stored(lab: Any, table: Any) -> list[int]:
    with lab.records.read() as tx:
        return sorted(tx.execute(select(table.c.sample_id)).scalars())


def looked_at(lab: Any) -> list[int]:
    return [detail for name, detail in lab.engine.calls if name == "describe_pixels"]


def test_the_first_batch_is_picked_by_descriptors_of_the_pixels(lab: Any) -> None:
    job = lab.rescore()
    assert job.state == JobState.SUCCEEDED, job.error
    assert job.result["version"] is None
    assert (job.result["strategy"], job.result["queued"]) == ("longest", 9)
    assert (job.result["described"], job.result["failed"]) == (10, 0)
    pool = last_pool(lab)
    assert pool.embedding is not None
    assert pool.embedding.shape == (9, LENGTHS[3])
    assert np.isfinite(pool.embedding).all()
    assert pool.labelled_embedding is None or len(pool.labelled_embedding) == 0
    assert stored(lab, descriptors) == lab.samples
    assert stored(lab, descriptions) == []
    with lab.records.read() as tx:
        picks = tx.execute(select(queue).order_by(queue.c.position)).all()
    order = np.argsort(-np.linalg.norm(pool.embedding, axis=1), kind="stable")
    assert [each.sample_id for each in picks] == pool.ids[order].tolist()
    assert {(each.strategy, each.reason, each.model_id) for each in picks} == {
        ("longest", "long", None)
    }


def test_typiclust_opens_and_never_takes_a_validation_sample(make_lab: MakeLab) -> None:
    lab = make_lab(cold_start="typiclust", queue_length=4)
    lab.start()
    samples = lab.add_images(12, validation=2)
    first = lab.rescore()
    assert (first.result["strategy"], first.result["queued"]) == ("typiclust", 4)
    picked = lab.queue()
    assert set(picked) <= set(samples[:-2])
    lab.rescore()
    assert lab.queue() == picked


def test_labelled_samples_count_before_a_model_too(lab: Any) -> None:
    lab.rescore()
    lab.label(lab.samples[:3])
    (new,) = lab.add_images(1)
    lab.touch(lab.samples[5])
    lab.engine.calls.clear()
    lab.rescore()
    assert sorted(looked_at(lab)) == [lab.samples[5], new]
    pool = last_pool(lab)
    assert pool.labelled_embedding is not None
    assert pool.labelled_embedding.shape == (3, LENGTHS[3])
    assert pool.ids.tolist() == [*lab.samples[3:9], new]


def test_once_a_version_serves_its_embeddings_replace_the_descriptors(lab: Any) -> None:
    lab.rescore()
    lab.label(lab.samples[:4])
    lab.train()
    lab.idle()
    pool = last_pool(lab)
    assert pool.embedding is not None
    assert pool.labelled_embedding is not None
    assert pool.embedding.shape[1] == pool.labelled_embedding.shape[1] == 8
    assert stored(lab, descriptors) == []
    assert stored(lab, descriptions) == lab.samples
    with lab.records.read() as tx:
        assert set(tx.execute(select(queue.c.model_id)).scalars()) == {lab.serving().id}


def test_an_image_that_cannot_be_read_is_counted_and_comes_last(lab: Any) -> None:
    bad = lab.samples[2]
    lab.engine.errors[f"describe_pixels/{bad}"] = UnreadableImage("truncated")
    job = lab.rescore()
    assert job.state == JobState.SUCCEEDED
    assert (job.result["described"], job.result["failed"]) == (9, 1)
    assert job.result["failures"] == {str(bad): "UnreadableImage: truncated"}
    assert lab.queue()[-1] == bad


def test_descriptors_of_an_older_formula_are_made_again(lab: Any) -> None:
    lab.rescore()
    with lab.records.write() as tx:
        tx.execute(
            update(descriptors)
            .where(descriptors.c.sample_id == lab.samples[0])
            .values(version=0, embedding=np.full(3, 9, "<f4").tobytes())
        )
    lab.engine.calls.clear()
    lab.rescore()
    assert looked_at(lab) == [lab.samples[0]]
    pool = last_pool(lab)
    assert pool.embedding is not None
    assert pool.embedding.shape == (9, LENGTHS[3])
    assert np.isfinite(pool.embedding).all()


def test_a_changed_image_loses_its_descriptors(lab: Any) -> None:
    lab.rescore()
    with lab.records.write() as tx:
        sample_rows.forget_descriptions(tx, lab.samples[1])
    assert stored(lab, descriptors) == [lab.samples[0], *lab.samples[2:]]


def test_descriptors_are_made_for_no_strategy_that_needs_nothing(make_lab: MakeLab) -> None:
    lab = make_lab(cold_start="random")
    lab.start()
    lab.add_images(3)
    lab.rescore()
    assert looked_at(lab) == []


def test_one_that_needs_embeddings_may_be_asked_for_before_a_model(lab: Any) -> None:
    job = lab.wait(lab.score.request("demo", "core-set"))
    assert (job.state, job.result["strategy"]) == (JobState.SUCCEEDED, "core-set")
    with pytest.raises(NoModel, match="needs scores of a model"):
        lab.score.request("demo", "uncertain-then-diverse")


def test_a_version_that_comes_meanwhile_is_scored_in_place_of_the_pixels(lab: Any) -> None:
    lab.label(lab.samples[:4])
    reached = lab.engine.hold("describe_pixels")
    score = lab.jobs.ensure(lab.project_id, JobKind.SCORE)
    assert reached.wait(60)
    lab.retrain.request("demo", "ann")
    del lab.engine.held["describe_pixels"]
    assert lab.wait(score).state == JobState.SUCCEEDED
    lab.idle()
    with lab.records.read() as tx:
        assert set(tx.execute(select(queue.c.model_id)).scalars()) == {lab.serving().id}
        assert tx.execute(select(func.count()).select_from(descriptors)).scalar_one() == 0


def test_a_large_pool_gets_a_first_queue_before_all_of_it_is_looked_at(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.loop.scoring.FIRST_PART", 2)
    monkeypatch.setattr("limner.loop.scoring.BATCH", 2)
    lab.rescore()
    known = [
        int(np.isfinite(detail[1].embedding).all(axis=1).sum())
        for name, detail in lab.engine.calls
        if name == "pick"
    ]
    assert known == sorted(known)
    assert len(known) >= 3
    assert known[0] < known[-1] == 9


def test_where_the_app_describes_nothing_the_pixels_go_on_for_it(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.loop.strategies.Strategies._describes", lambda *_: False)
    lab.label(lab.samples[:4])
    lab.train()
    lab.idle()
    pool = last_pool(lab)
    assert lab.serving() is not None
    assert pool.embedding is not None
    assert pool.labelled_embedding is not None
    assert pool.embedding.shape == (5, LENGTHS[3])
    assert pool.labelled_embedding.shape == (4, LENGTHS[3])
    assert stored(lab, descriptors) == lab.samples
    with pytest.raises(Conflict, match="needs scores, and app 'tiny' of project demo describes"):
        lab.score.request("demo", "entropy")
