"""Whatever a plugin does, whoever asked gets a clear answer, and the others notice nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faults.conftest import House, mask_of, open_house, problem
from tests.faults.soundness import audit

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server whose workers are given up soon and may take little memory."""
    home = tmp_path_factory.mktemp("plugins") / "home"
    with open_house(home, predict_timeout_s=6, stall_timeout_s=4, memory_limit_mb=600) as made:
        yield made
    assert audit(home) == []


@pytest.fixture(scope="module")
def well(house: House) -> Any:
    """A project whose app behaves."""
    project = house.project(images=6)
    assert house.train(project)["state"] == "succeeded"
    return project


def labelled(house: House, **options: str) -> Any:
    """Make a project with these options of its app, and label four of its six samples."""
    project = house.project(images=6, name=f"bad-{next(NUMBERS)}", app_options=options)
    samples = house.samples(project)
    for name in ("case0", "case1", "case2", "case3"):
        assert project.submit(samples[name]["id"], mask_of(name)).status_code == 201
    return project


def predicts(house: House, project: Any, name: str) -> bool:
    sample = house.samples(project)[name]["id"]
    answer = house.http.get(f"{project.url}/samples/{sample}/predict")
    return answer.status_code == 200


@pytest.mark.parametrize(
    ("failure", "status", "words"),
    [
        ("raise", 502, "failed in predict"),
        ("shape", 502, "shape"),
        ("exit", 503, "exit code 3"),
        ("hang", 504, "6 s"),
        ("memory", 503, "memory"),
        ("eat", 503, "600 MiB"),
    ],
)
def test_a_prediction_that_fails_is_answered_and_others_go_on(
    house: House, well: Any, failure: str, status: int, words: str
) -> None:
    project = labelled(house, fail=failure, fail_only="case5")
    job = house.http.post(f"{project.url}/jobs", json={"kind": "train"}).json()
    assert project.ended(job["id"])["state"] == "succeeded"
    sample = house.samples(project)["case5"]["id"]
    answer = house.http.get(f"{project.url}/samples/{sample}/predict")
    assert words in problem(answer, status)["detail"]
    assert predicts(house, project, "case4")
    assert predicts(house, well, "case5")
    house.idle(project)


def test_probabilities_that_are_no_numbers_fail_the_scoring_of_that_sample_alone(
    house: House, well: Any
) -> None:
    project = labelled(house, fail="nan", fail_only="case5")
    job = house.http.post(f"{project.url}/jobs", json={"kind": "train"}).json()
    assert project.ended(job["id"])["state"] == "succeeded"
    house.idle(project)
    jobs = house.http.get(f"{project.url}/jobs").json()["items"]
    scoring = next(each for each in jobs if each["kind"] == "score")
    told = f"{scoring['error']} {scoring['result']}"
    assert "NaN" in told or scoring["result"].get("failed"), told
    assert project.next()["assignment"]
    assert predicts(house, well, "case4")


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        ("raise", "PluginFailed"),
        ("shape", "PluginFailed"),
        ("exit", "WorkerDied"),
        ("hang", "WorkerTimeout"),
        ("memory", "WorkerOutOfMemory"),
        ("eat", "WorkerOutOfMemory"),
    ],
)
def test_a_training_that_fails_says_why_and_its_labels_wait_for_the_next(
    house: House, well: Any, failure: str, kind: str
) -> None:
    project = labelled(house, fail_train=failure)
    job = house.http.post(f"{project.url}/jobs", json={"kind": "train"}).json()
    ended = project.ended(job["id"])
    assert (ended["state"], ended["error"]["type"]) == ("failed", kind)
    assert "Traceback" not in ended["error"]["detail"]
    shown = project.get()
    assert (shown["model_version"], shown["counts"]["labels_since_training"]) == (None, 4)
    work = house.home / "work"
    assert not [path for path in work.glob("*/*") if path.name == str(job["id"])]
    assert predicts(house, well, "case4")


def test_one_worker_cannot_take_the_whole_machine_unless_told_so(tmp_path: Path) -> None:
    from limner.engine.limits import WORKER_SHARE, memory_bytes, worker_memory_bytes

    assert 0 < worker_memory_bytes(0) <= WORKER_SHARE * memory_bytes() < memory_bytes()
    assert worker_memory_bytes(600) == 600 << 20
