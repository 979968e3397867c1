"""How a project stands, told without counting."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from limner.errors import NotFound
from limner.records import models as model_rows


def test_a_report_tells_how_a_project_stands(house: Any) -> None:
    house.project(validation_share=0, retrain_every=3)
    (house.images / "broken.nii").write_bytes(b"x")
    house.volume("double.nii")
    house.volume("double.nii.gz")
    samples = house.volumes(4)
    house.queue([each for each in samples if each.state == "ready"][:3])
    house.submit(house.next().sample.id)
    house.next("bob")
    report = house.progress.report("liver")
    assert (report.samples, report.ready, report.labelled, report.unreadable) == (6, 4, 1, 1)
    assert (report.held, report.queued, report.labels_since_training) == (1, 1, 1)
    assert (report.retrain_every, report.round, report.serving, report.curve) == (3, 0, None, [])
    assert [job.kind for job in report.jobs] == ["score"]
    assert report.store_problems == 1
    assert "two formats" in report.problems[0].problem
    json.dumps(dataclasses.asdict(report))


def test_an_unknown_project_is_not_found(house: Any) -> None:
    with pytest.raises(NotFound):
        house.progress.report("liver")


def test_a_report_says_where_the_learning_curve_leads(house: Any) -> None:
    project = house.project(retrain_every=10, target_score=0.8)
    with house.records.write() as tx:
        for labels, score in ((10, 0.4), (20, 0.6), (30, 0.7), (40, 0.75), (50, 0.775)):
            model_rows.add(
                tx,
                project_id=project.id,
                app="tiny",
                app_version="1",
                state="refused",
                seed=0,
                plan={},
                options={},
                metrics={"measure": "dice", "score": score, "method": "validation"},
                decision={},
                libraries={},
                notes=[],
                label_count=labels,
                created_at=0.0,
            )
    found = house.progress.report("liver").forecast
    assert (found.reason, found.versions, found.batch) == ("", 5, 10)
    assert found.gain.estimate == pytest.approx(0.0125, abs=0.003)
    assert found.plateau.estimate == pytest.approx(0.8, abs=0.01)
    assert (found.target, found.is_reached, found.is_flat) == (0.8, False, False)
