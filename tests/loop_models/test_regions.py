"""Parts of images with a model: what is described, picked, lent and learnt from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from limner.errors import InvalidRequest
from limner.loop.regions import lent_region, restored, stored_all
from limner.loop.training_set import case_sources
from limner.plugin import Region
from limner.records import labels as label_rows
from limner.records import queue as queue_rows
from limner.records import samples as sample_rows
from limner.records.tables import descriptions, queue

MakeLab = Callable[..., Any]


@pytest.fixture
def trained(make_lab: MakeLab) -> Any:
    lab = make_lab(query_size=[4, 0, 2], retrain_every=0)
    lab.start()
    samples = lab.add_images(12)
    lab.label(samples[:4])
    lab.train()
    lab.idle()
    return lab


def test_a_pick_brings_the_part_that_its_description_names(trained: Any) -> None:
    lab = trained
    with lab.records.read() as tx:
        said = {row.sample_id: row.region for row in tx.execute(select(descriptions))}
        asked = set(tx.execute(select(descriptions.c.asked)).scalars())
        picked = {row.sample_id: row.region for row in tx.execute(select(queue))}
    assert picked
    assert asked == {"4x0x2"}
    for sample, region in picked.items():
        assert region == said[sample]
        shape = lab.sample(sample).shape
        found = restored(region)
        assert found is not None
        assert found.shape == (4, shape[1], 2)


def test_what_is_lent_is_the_part_that_is_worth_most(trained: Any) -> None:
    lab = trained
    with lab.records.write() as tx:
        first = queue_rows.first(tx, lab.project_id, "ann", 1)
        assert first is not None
        settings = lab.projects.settings(lab.project)
        assert lent_region(tx, settings, first.sample, restored(first.region)) == restored(
            first.region
        )
        # The validation set is labelled whole.
        drawn = sample_rows.change(tx, first.sample.id, is_validation=True)
        assert lent_region(tx, settings, drawn, restored(first.region)) is None


def test_another_size_has_the_pool_described_again(trained: Any) -> None:
    lab = trained
    lab.projects.change(lab.project.name, settings={"query_size": [2, 2, 2]}, actor="ann")
    job = lab.rescore()
    assert job.result["described"] > 0
    with lab.records.read() as tx:
        assert set(tx.execute(select(descriptions.c.asked)).scalars()) == {"2x2x2"}
    assert lab.rescore().result["described"] == 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"query_size": [0, 0]}, "leave it out"),
        ({"query_size": [4]}, "query_size"),
        ({"query_size": [-1, 2]}, "query_size"),
        ({"query_size": [2, 2], "readings": 2}, "readings"),
    ],
)
def test_sizes_that_mean_nothing_are_refused(
    make_lab: MakeLab, settings: dict[str, Any], said: str
) -> None:
    lab = make_lab()
    with pytest.raises(InvalidRequest, match=said):
        lab.projects.change(lab.project.name, settings=settings, actor="ann")


def test_labels_of_parts_are_learnt_from_as_such(trained: Any) -> None:
    lab = trained
    sample, region = lab.queue()[0], Region((0, 0, 0), (3, 4, 2))
    lab.label([sample])
    with lab.records.write() as tx:
        label = label_rows.of_sample(tx, sample)[0]
        label_rows.change(tx, label.id, regions=stored_all([region]))
        sample_rows.change(tx, sample, state="ready", readings=0)
    lab.train()
    lab.idle()
    with lab.records.read() as tx:
        found = case_sources(tx, lab.project, [label.id], projects=lab.projects, blobs=lab.blobs)
    assert found[label.id].regions == (region,)
    assert sample in lab.seen_by(lab.versions()[-1]) | lab.seen_by(lab.versions()[0])
