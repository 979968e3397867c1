"""A folder of images that goes and comes back: nothing is forgotten, nothing labelled twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.faults.conftest import House, MakeHouse, mask_of, problem, write_image
from tests.http.conftest import wait_for


def problems(house: House, project: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = house.http.get(f"{project.url}/problems").json()["items"]
    return found


def states(house: House, project: Any) -> dict[str, str]:
    return {name: each["state"] for name, each in house.samples(project).items()}


@pytest.mark.parametrize("leaves_an_empty_folder", [False, True])
def test_a_folder_that_is_unmounted_and_comes_back_goes_on_as_before(
    make_house: MakeHouse, tmp_path: Path, leaves_an_empty_folder: bool
) -> None:
    house = make_house()
    project = house.project(images=6)
    assert house.train(project)["state"] == "succeeded"
    house.idle(project)
    before = states(house, project)
    labelled = [name for name, state in before.items() if state == "labelled"]
    labels = {
        name: house.http.get(f"{project.url}/samples/{each['id']}/labels").json()["items"]
        for name, each in house.samples(project).items()
    }
    lent = project.next()["assignment"]
    aside = tmp_path / "elsewhere"
    project.folder.rename(aside)
    if leaves_an_empty_folder:
        # As a mount point is when its disk is gone.
        project.folder.mkdir()
        wait_for(lambda: set(states(house, project).values()) == {"vanished"})
    else:
        wait_for(
            lambda: any("is not there" in each["problem"] for each in problems(house, project))
        )
        assert states(house, project) == before
    sample = house.samples(project)[labelled[0]]
    assert house.http.get(sample["image_url"]).status_code == 404
    kept = house.http.get(f"{project.url}/samples/{sample['id']}/labels").json()["items"]
    assert kept == labels[labelled[0]]
    assert house.http.get(kept[0]["content_url"]).content == mask_of(labelled[0])
    given = project.submit(lent["sample"]["id"], mask_of(lent["sample"]["name"]))
    assert given.status_code == 201  # what was drawn is not lost with the disk
    asked = house.http.post(f"{project.url}/jobs", json={"kind": "train"})
    if leaves_an_empty_folder:
        problem(asked, 409)  # no label has an image to learn from
    else:
        ended = project.ended(asked.json()["id"])
        assert ended["state"] == "failed"
        assert ended["error"]["detail"]
    if leaves_an_empty_folder:
        project.folder.rmdir()
    aside.rename(project.folder)
    now = {**before, lent["sample"]["name"]: "labelled"}
    wait_for(lambda: states(house, project) == now)
    wait_for(lambda: problems(house, project) == [])
    write_image(project.folder, "new")
    wait_for(lambda: states(house, project).get("new") == "ready")
    job = house.http.post(f"{project.url}/jobs", json={"kind": "train"}).json()
    assert project.ended(job["id"])["state"] == "succeeded"
    house.idle(project)


def test_what_needs_the_images_says_that_they_are_gone(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    house = make_house()
    project = house.project(images=6)
    assert house.train(project)["state"] == "succeeded"
    house.idle(project)
    with house.service.records.write() as tx:
        tx.exec_driver_sql("DELETE FROM predictions")
    project.folder.rename(tmp_path / "elsewhere")
    sample = next(each for each in house.samples(project).values() if each["state"] == "ready")
    answer = house.http.get(f"{project.url}/samples/{sample['id']}/predict")
    assert answer.status_code in (404, 409, 422)
    problem(answer, answer.status_code)
    (tmp_path / "elsewhere").rename(project.folder)
    wait_for(
        lambda: house.http.get(f"{project.url}/samples/{sample['id']}/predict").status_code == 200
    )
    house.idle(project)
