"""A disk that is really full: said so (507), nothing half-recorded, and fine once there is room."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import nibabel
import numpy as np
import pytest
from tests.faults.conftest import (
    House,
    MakeHouse,
    Mounted,
    fill,
    mask_of,
    problem,
    settings_file,
    write_image,
)
from tests.faults.soundness import audit
from tests.http.conftest import wait_for

from limner.simulate.server_process import ServerProcess

PROJECT = "/api/v1/projects/faults"


def big_image(megabytes: int = 6) -> bytes:
    """An image that no buffer of the server keeps in memory."""
    array = np.zeros((megabytes, 1024, 512), np.int16)
    data: bytes = nibabel.Nifti1Image(array, np.eye(4)).to_bytes()
    return data


def served(tmp_path: Path, home: Path, images: Path, **environment: str) -> ServerProcess:
    settings = settings_file(tmp_path / "limner.toml", images, {"retrain_every": 0}, {})
    return ServerProcess(["--config", str(settings)], home=home, environment=environment)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        write_image(folder, f"case{number}")
    return folder


def submit(http: httpx.Client, sample: dict[str, Any]) -> httpx.Response:
    return http.post(
        f"{PROJECT}/samples/{sample['id']}/labels",
        files={"file": ("mask.nii.gz", mask_of(sample["name"]))},
        data={"annotator": "ann"},
    )


def upload(http: httpx.Client, content: bytes, url: str = PROJECT) -> httpx.Response:
    return http.post(f"{url}/samples", files={"file": ("big.nii", io.BytesIO(content))})


def test_a_full_home_refuses_what_it_cannot_keep_and_loses_nothing(
    tmp_path: Path, images: Path, small_disk: Mounted
) -> None:
    disk = small_disk("40m")
    with (
        served(tmp_path, disk / "home", images) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        lent = http.post(f"{PROJECT}/next", json={"annotator": "ann"}).json()["assignment"]
        before = http.get(PROJECT).json()
        filling = fill(disk)
        for _ in range(2):
            problem(submit(http, lent["sample"]), 507)
            problem(upload(http, big_image()), 507)
            problem(http.post(f"{PROJECT}/next", json={"annotator": "bea"}), 507)
            problem(http.patch(PROJECT, json={"title": "Faults"}), 507)
        # Whoever only reads notices nothing.
        assert http.get(PROJECT).json() == before
        assert http.get("/health/live").status_code == 200
        labels = http.get(f"{PROJECT}/samples/{lent['sample']['id']}/labels").json()
        assert labels["items"] == []
        assert sorted(each.name for each in images.iterdir()) == [
            f"case{number}.nii.gz" for number in range(4)
        ]
        filling.unlink()
        assert submit(http, lent["sample"]).status_code == 201
        assert upload(http, big_image()).status_code == 201
        assert http.post(f"{PROJECT}/next", json={"annotator": "bea"}).json()["assignment"]
    assert audit(disk / "home") == []


def test_a_full_disk_of_the_systems_passing_files_is_none_of_our_business(
    tmp_path: Path, images: Path, small_disk: Mounted
) -> None:
    disk = small_disk("1m")
    fill(disk)
    with (
        served(tmp_path, tmp_path / "home", images, TMPDIR=str(disk)) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        answer = upload(http, big_image())
        assert answer.status_code == 201, answer.text
        image = http.get(answer.json()["image_url"])
        assert image.content == big_image()
    assert audit(tmp_path / "home") == []


def test_a_body_in_chunks_that_finds_no_room_is_answered_too(
    tmp_path: Path, images: Path, small_disk: Mounted
) -> None:
    disk = small_disk("40m")
    with (
        served(tmp_path, disk / "home", images) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        fill(disk)
        pieces = (b"x" * 65536 for _ in range(64))
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        problem(http.post(f"{PROJECT}/samples", content=pieces, headers=kind), 507)
        assert http.get(PROJECT).status_code == 200


@pytest.mark.parametrize("leave", [0, 20_000])
def test_a_server_that_starts_on_a_full_disk_says_so_and_ends(
    images: Path, small_disk: Mounted, leave: int
) -> None:
    disk = small_disk("2m")
    fill(disk, leave=leave)
    serve = ["serve", str(images), "--labels", "shell,core", "--home", str(disk / "home")]
    done = subprocess.run(
        [sys.executable, "-m", "limner.cli", *serve, "--port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert re.search(r"The disk that holds .* is full", " ".join(done.stderr.split()))
    assert "Traceback" not in done.stderr


def test_an_image_that_the_stores_disk_cannot_take_leaves_nothing_there(
    make_house: MakeHouse, small_disk: Mounted
) -> None:
    house = make_house()
    project = house.project(images=0)
    disk = small_disk("8m")
    project.folder.rmdir()
    project.folder.symlink_to(disk)
    fill(disk, leave=1 << 20)
    problem(upload(house.http, big_image(), project.url), 507)
    assert project.get()["counts"]["samples"] == 0
    assert [each.name for each in disk.rglob("*") if each.is_file()] == ["filling"]
    (disk / "filling").unlink()
    assert upload(house.http, big_image(), project.url).status_code == 201


@pytest.mark.parametrize("place", ["work", "blobs"])
def test_a_training_that_finds_no_room_fails_with_the_reason_and_works_when_there_is(
    make_house: MakeHouse, small_disk: Mounted, tmp_path: Path, place: str
) -> None:
    disk = small_disk("4m")
    (tmp_path / "home0").mkdir()
    (tmp_path / "home0" / place).symlink_to(disk)
    house = make_house()
    project = house.project(images=6)
    for _ in range(4):
        lent = project.next()["assignment"]
        project.label(lent["sample"], assignment=lent["id"])
    filling = fill(disk)
    job = train(house, project)
    assert job["state"] == "failed"
    assert job["error"]["type"] == "StorageFull"
    assert "full" in job["error"]["detail"]
    assert project.get()["model_version"] is None
    filling.unlink()
    assert train(house, project)["state"] == "succeeded"
    assert project.get()["model_version"] == 1
    house.idle(project)


def train(house: House, project: Any) -> dict[str, Any]:
    job = house.http.post(f"{project.url}/jobs", json={"kind": "train"}).raise_for_status()
    ended: dict[str, Any] = project.ended(job.json()["id"])
    return ended


def test_predictions_that_find_no_room_are_answered_and_kept_when_there_is(
    make_house: MakeHouse, small_disk: Mounted, tmp_path: Path
) -> None:
    disk = small_disk("2m")
    (tmp_path / "home0").mkdir()
    (tmp_path / "home0" / "predictions").symlink_to(disk)
    house = make_house()
    project = house.project(images=6)
    filling = fill(disk)
    assert house.train(project)["state"] == "succeeded"
    house.idle(project)
    jobs = house.http.get(f"{project.url}/jobs").json()["items"]
    errors = [each["error"]["type"] for each in jobs if each["state"] == "failed"]
    assert errors == ["StorageFull"]
    sample = next(each for each in house.samples(project).values() if each["state"] == "ready")
    url = f"{project.url}/samples/{sample['id']}/predict"
    drawn = house.http.get(url)
    assert drawn.status_code == 200
    filling.unlink()

    def is_kept() -> bool:
        assert house.http.get(url).content == drawn.content
        return any(each.read_bytes() == drawn.content for each in disk.rglob("*") if each.is_file())

    wait_for(is_kept)
