"""The whole model path once, with worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from limner.engine.local import LocalEngine
from limner.records.rows import JobState
from limner.settings import EngineSettings

MakeLab = Callable[..., Any]


@pytest.fixture
def with_workers(make_lab: MakeLab) -> Iterator[Any]:
    lab = make_lab(app_options={"step_seconds": 0.05})
    engine = LocalEngine(
        EngineSettings(device="cpu", predictor_threads=1, learner_threads=1),
        lab.registry,
        lab.home / "logs",
    )
    lab.close()
    lab.engine = engine
    lab.open()
    engine.start()
    lab.start()
    yield lab
    lab.jobs.stop()
    engine.stop()


@pytest.mark.live
def test_labels_become_a_version_that_serves_and_predictions_ahead(with_workers: Any) -> None:
    lab = with_workers
    samples = lab.add_images(8)
    lab.label(samples[:4])
    job = lab.train()
    assert job.state == JobState.SUCCEEDED, job.error
    assert job.result["outcome"] == "promoted"
    lab.idle()
    assert sorted(lab.queue()) == samples[4:]
    found = lab.predictions.predict("demo", samples[5])
    assert found.was_stored
    assert not lab.predictions.predict("demo", samples[0], client="ann").was_stored
    cancelled = lab.retrain.request("demo", "ann")
    lab.wait(cancelled, JobState.RUNNING)
    lab.jobs.cancel(cancelled.id, "ann")
    assert lab.wait(cancelled).state == JobState.CANCELLED
    assert lab.serving().number == 1
