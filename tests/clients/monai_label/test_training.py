"""Training through the real client: asked for, followed, refused and stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.clients.conftest import PARTS, Project, Site
from tests.clients.monai_label.conftest import NewClient, Raised, RealClient
from tests.http.conftest import wait_for

from limner.records.rows import JobState

CASES = ("hippocampus_001", "hippocampus_003", "hippocampus_004")


@pytest.fixture
def project(site: Site, hippocampus: Path) -> Project:
    """Three volumes without a label, and no model."""
    images = [hippocampus / "images" / f"{each}.nii.gz" for each in CASES]
    return site.project("clicking", PARTS, images)


def label(client: RealClient, hippocampus: Path) -> None:
    for name in CASES:
        client.save_label(name, str(hippocampus / "labels" / f"{name}.nii.gz"))


def done(client: RealClient) -> dict[str, Any] | None:
    status: dict[str, Any] = client.train_status()
    return status if status["status"] in {"DONE", "ERROR", "STOPPED"} else None


def test_a_first_training_makes_a_model_that_serves(
    connect: NewClient, project: Project, hippocampus: Path
) -> None:
    client = connect(project.url, "ada")
    assert client.info()["models"] == {}
    with pytest.raises(Raised, match="No Train Tasks Found"):
        client.train_status()
    assert client.train_status(check_if_running=True) is False
    label(client, hippocampus)
    asked = client.train_start("clicking", {"max_epochs": 50, "device": "cpu"})
    assert asked["status"] in {"SUBMITTED", "RUNNING"}
    assert asked["request"] == {
        "model": "clicking",
        "max_epochs": 50,
        "device": "cpu",
        "client_id": "ada",
    }
    ended = wait_for(lambda: done(client))
    assert (ended["id"], ended["status"]) == (asked["id"], "DONE")
    assert ended["details"][-1]
    assert ended["start_ts"] <= ended["end_ts"]
    job = project.service.jobs.get(int(asked["id"]))
    assert job.state == JobState.SUCCEEDED
    assert project.versions() == 1
    info = client.info()
    assert "clicking" in info["models"]
    stats = info["train_stats"]["clicking"]
    assert stats["epoch"] == stats["total_epochs"] > 0
    assert stats["total_time"].count(":") == 2
    assert client.infer("clicking", CASES[0], {})[0] is not None


def test_no_model_and_no_label_are_told_and_not_tried(connect: NewClient, project: Project) -> None:
    client = connect(project.url, "ada")
    with pytest.raises(Raised, match=r"Status: 409.*label"):
        client.train_start("clicking", {})
    with pytest.raises(Raised, match=r"Status: 409.*label"):
        client.infer("clicking", CASES[0], {})
    assert project.versions() == 0
    assert client.train_stop() is None


def test_a_training_that_runs_refuses_another_and_can_be_stopped(
    connect: NewClient, site: Site, nuclei: Path, nuclei_cases: list[str]
) -> None:
    images = [nuclei / "images" / each for each in nuclei_cases[:2]]
    slow = {"step_seconds": 0.3}
    project = site.project("tiny-instances", ["nucleus"], images, app_options=slow)
    client = connect(project.url, "ada")
    for path in images:
        client.save_label(path.stem, str(nuclei / "labels" / path.name))
    asked = client.train_start("tiny-instances", {})
    wait_for(lambda: client.train_status(check_if_running=True))
    with pytest.raises(Raised, match=r"Status: 429.*Already Running"):
        client.train_start("tiny-instances", {})
    running = client.train_status()
    assert running["status"] == "RUNNING"
    assert running["details"][-1]
    stopped = client.train_stop()
    assert (stopped["id"], stopped["status"]) == (asked["id"], "STOPPED")
    assert stopped["end_ts"]
    job = int(asked["id"])
    wait_for(lambda: project.service.jobs.get(job).state == JobState.CANCELLED)
    assert client.train_status()["status"] == "STOPPED"
    assert client.train_status(check_if_running=True) is False
    assert client.train_stop() is None
    assert project.versions() == 0


def test_every_trainer_is_trained_where_none_is_named(
    connect: NewClient, project: Project, hippocampus: Path
) -> None:
    client = connect(project.url, "ada")
    label(client, hippocampus)
    asked = client.train_start("", {"clicking": {"pretrained": False, "untested": True}})
    assert list(asked) == ["clicking"]
    assert asked["clicking"]["detail"] is None
    job = project.service.jobs.get(int(asked["clicking"]["result"]["id"]))
    assert job.params["from_scratch"] is True
    assert "untested" not in job.params  # whoever asks over HTTP gets a version that is measured
    assert wait_for(lambda: done(client))["status"] == "DONE"
    assert project.versions() == 1
