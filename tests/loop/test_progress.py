"""How a project stands, told without counting."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from limner.errors import NotFound


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
