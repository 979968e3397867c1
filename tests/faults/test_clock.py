"""A clock that is set back, or far ahead, while the server runs: nothing waits for it to agree."""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import Any

import httpx
import pytest
from tests.faults.conftest import House, MakeHouse

YEAR_S = 365 * 24 * 3600.0
LEASE_S = 3600.0


def instant(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@pytest.mark.parametrize("moved_s", [-YEAR_S, 40 * YEAR_S])
def test_the_loop_goes_on_after_the_clock_was_moved(make_house: MakeHouse, moved_s: float) -> None:
    house = make_house()
    project = house.project(images=10, retrain_every=3)
    house.idle(project)
    with house.service.events.subscribe(project=project.name) as news:
        for number in range(6):
            if number == 2:
                house.clock.moved_s = moved_s
            lent = project.next()["assignment"]
            assert 0 < instant(lent["expires_at"]) - house.clock() <= LEASE_S
            project.label(lent["sample"], assignment=lent["id"])
        house.idle(project)
        ids = []
        while (event := news.get(timeout_s=0.01)) is not None:
            ids.append(event.id)
    assert ids == sorted(set(ids))
    jobs = house.http.get(f"{project.url}/jobs").json()["items"]
    assert [each["id"] for each in jobs] == sorted((each["id"] for each in jobs), reverse=True)
    assert {each["state"] for each in jobs} == {"succeeded"}
    assert sum(each["kind"] == "train" for each in jobs) >= 1
    assert not _negative([each["result"] for each in jobs])
    assert not _negative(house.http.get(f"{project.url}/progress").json())
    assert project.get()["model_version"] is not None


def _negative(found: Any) -> list[Any]:
    """Times and durations below nothing, anywhere in a document."""
    if isinstance(found, dict):
        own = [
            (name, value)
            for name, value in found.items()
            if isinstance(value, int | float) and ("second" in name or name.endswith("_s"))
        ]
        return [each for each in own if each[1] < 0] + [
            each for value in found.values() for each in _negative(value)
        ]
    return [each for value in found for each in _negative(value)] if isinstance(found, list) else []


def test_what_was_lent_by_a_clock_far_ahead_is_not_lent_for_years(make_house: MakeHouse) -> None:
    house = make_house()
    project = house.project(images=1)
    house.clock.moved_s = 10 * YEAR_S
    lent = project.next("ann")["assignment"]
    house.clock.moved_s = 0
    assert project.next("bea")["assignment"] is None
    house.clock.moved_s = LEASE_S + 60
    again = project.next("bea")["assignment"]
    assert again["sample"]["id"] == lent["sample"]["id"]
    # What ann drew meanwhile is kept all the same.
    assert project.label(lent["sample"], assignment=lent["id"])["version"] == 1
    assert project.get()["counts"]["labelled"] == 1


def test_what_was_lent_before_a_jump_ahead_comes_back_at_once(make_house: MakeHouse) -> None:
    house = make_house()
    project = house.project(images=1)
    lent = project.next("ann")["assignment"]
    house.clock.moved_s = YEAR_S
    assert project.next("bea")["assignment"]["sample"]["id"] == lent["sample"]["id"]
    house.clock.moved_s = 0
    renewed = house.http.post(f"/api/v1/assignments/{lent['id']}/renew")
    assert renewed.status_code == 409
    assert project.next("cid")["assignment"] is None


@pytest.mark.parametrize(("moved_s", "is_due"), [(-YEAR_S, True), (600, False), (3700, True)])
def test_the_timer_of_trainings_does_not_wait_for_a_clock_that_was_set_back(
    make_house: MakeHouse, moved_s: float, is_due: bool
) -> None:
    house = make_house()
    project = house.project(images=6, retrain_minutes=60)
    assert house.train(project)["state"] == "succeeded"
    house.idle(project)
    before = trainings(house, project)
    project.label(project.next()["assignment"]["sample"])
    house.clock.moved_s = moved_s
    house.service.retrain.tick()
    house.idle(project)
    assert trainings(house, project) == before + is_due
    house.service.retrain.tick()
    house.idle(project)
    assert trainings(house, project) == before + is_due  # once, and not for ever


def trainings(house: House, project: Any) -> int:
    jobs = house.http.get(f"{project.url}/jobs").json()["items"]
    return sum(each["kind"] == "train" for each in jobs)


def test_a_stream_tells_of_jobs_in_order_while_the_clock_jumps(make_house: MakeHouse) -> None:
    house = make_house()
    project = house.project(images=6, app_options={"step_seconds": 0.02})
    for _ in range(4):
        lent = project.next()["assignment"]
        project.label(lent["sample"], assignment=lent["id"])
    job = house.http.post(f"{project.url}/jobs", json={"kind": "train"}).json()
    ids: list[int] = []
    states: list[str] = []
    with (
        httpx.Client(base_url=house.http.base_url, timeout=30) as http,
        http.stream("GET", job["events_url"]) as answer,
    ):
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                ids.append(int(value))
                house.clock.moved_s = -YEAR_S if len(ids) % 2 else YEAR_S
            elif name == "data":
                states.append(json.loads(value)["state"])
    assert states[-1] == "succeeded"
    assert ids == sorted(set(ids))
    shown = house.http.get(f"/api/v1/jobs/{job['id']}").json()
    eta = shown["progress"].get("eta_s")
    assert eta is None or eta >= 0
    house.clock.moved_s = 0
    house.idle(project)


def test_an_etag_changes_with_the_file_though_its_time_was_set_back(make_house: MakeHouse) -> None:
    house = make_house()
    project = house.project(images=1)
    path = project.folder / "case0.nii.gz"
    url = house.samples(project)["case0"]["image_url"]
    before = house.http.get(url)
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    answer = house.http.get(url, headers={"If-None-Match": before.headers["ETag"]})
    assert (answer.status_code, answer.content) == (200, bytes(content))
