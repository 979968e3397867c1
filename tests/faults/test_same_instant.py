"""Requests at the same instant, and requests that come twice: one effect, and nothing lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np
import pytest
from tests.faults.conftest import House, mask_of, open_house, problem
from tests.faults.soundness import audit
from tests.http.conftest import truth, volume_bytes

from limner.errors import StorageFull
from limner.http import idempotency
from limner.records import idempotency as kept_answers

T = TypeVar("T")


def at_once(calls: list[Callable[[], T]]) -> list[T]:
    """Call all at the same instant."""
    start = threading.Barrier(len(calls))

    def call(each: Callable[[], T]) -> T:
        start.wait(10)
        return each()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(60) for future in [pool.submit(call, each) for each in calls]]


def another_mask(name: str) -> bytes:
    """A mask that differs from the right one in a voxel."""
    array = truth(name)
    array[0, 0, 0] = 2
    return volume_bytes(array)


def labels_of(house: House, project: Any, sample: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = house.http.get(f"{project.url}/samples/{sample}/labels").json()[
        "items"
    ]
    return found


def test_two_submissions_for_one_assignment_are_two_versions_and_one_end(
    house: House,
) -> None:
    project = house.project()
    for annotator in ("ann", "bea"):
        lent = project.next(annotator)["assignment"]
        sample = lent["sample"]
        contents = [mask_of(sample["name"]), another_mask(sample["name"])]
        given = {"annotator": annotator, "assignment": lent["id"]}
        answers = at_once(
            [partial(project.submit, sample["id"], content, **given) for content in contents]
        )
        assert [each.status_code for each in answers] == [201, 201]
        kept = labels_of(house, project, sample["id"])
        assert sorted(each["version"] for each in kept) == [1, 2]
        shown = house.http.get(f"/api/v1/assignments/{lent['id']}").json()
        assert shown["state"] == "done"
    assert project.get()["counts"]["labelled"] == 2


def test_two_annotators_for_one_sample_are_both_kept(house: House) -> None:
    project = house.project()
    lent = project.next("ann")["assignment"]
    sample = lent["sample"]
    answers = at_once(
        [
            lambda: project.submit(sample["id"], mask_of(sample["name"]), annotator="ann"),
            lambda: project.submit(sample["id"], mask_of(sample["name"]), annotator="bea"),
        ]
    )
    assert [each.status_code for each in answers] == [201, 201]
    kept = labels_of(house, project, sample["id"])
    assert {each["author"] for each in kept} == {"ann", "bea"}
    assert project.get()["counts"]["labelled"] == 1


def test_the_same_submission_by_many_at_once_is_one_label(house: House) -> None:
    project = house.project()
    sample = project.next()["assignment"]["sample"]
    answers = at_once(
        [lambda: project.submit(sample["id"], mask_of(sample["name"])) for _ in range(8)]
    )
    assert sorted(each.status_code for each in answers) == [200] * 7 + [201]
    assert len({each.json()["label"]["id"] for each in answers}) == 1


def test_sixteen_who_ask_at_once_never_get_the_same_sample(house: House) -> None:
    project = house.project(images=20)
    answers = at_once([partial(project.next, f"a{n}") for n in range(16)])
    lent = [each["assignment"]["sample"]["id"] for each in answers]
    assert len(set(lent)) == 16


def submit(http: httpx.Client, project: Any, sample: int, content: bytes, key: str) -> Any:
    return http.post(
        f"{project.url}/samples/{sample}/labels",
        files={"file": ("mask.nii.gz", content)},
        data={"annotator": "ann"},
        headers={"Idempotency-Key": key},
    )


def test_one_key_has_one_effect_also_at_once_and_after_a_restart(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with open_house(home) as house:
        project = house.project()
        sample = project.next()["assignment"]["sample"]
        content, other = mask_of(sample["name"]), another_mask(sample["name"])
        answers = at_once(
            [lambda: submit(house.http, project, sample["id"], content, "k1") for _ in range(8)]
        )
        done = [each for each in answers if each.status_code == 201]
        assert {each.status_code for each in answers} <= {201, 409}
        assert len({each.text for each in done}) == 1
        refused = submit(house.http, project, sample["id"], other, "k1")
        assert "another request" in problem(refused, 422)["detail"]
        assert len(labels_of(house, project, sample["id"])) == 1
    with open_house(home) as house:
        again = submit(house.http, project, sample["id"], content, "k1")
        assert (again.status_code, again.text) == (201, done[0].text)
        assert again.headers["Idempotency-Replayed"] == "true"
        problem(submit(house.http, project, sample["id"], other, "k1"), 422)
        assert len(labels_of(house, project, sample["id"])) == 1
    assert audit(home) == []


def test_a_label_whose_answer_was_lost_in_a_crash_is_the_same_label_when_sent_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = house.project()
    sample = project.next()["assignment"]["sample"]
    with monkeypatch.context() as crash:
        # As a kill between the record of the label and that of the answer would leave it.
        crash.setattr(idempotency, "_keep", lambda *_: None)
        first = submit(house.http, project, sample["id"], mask_of(sample["name"]), "k")
    again = submit(house.http, project, sample["id"], mask_of(sample["name"]), "k")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert len(labels_of(house, project, sample["id"])) == 1


def test_an_answer_that_cannot_be_kept_is_still_the_answer(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageFull("The disk is full.")

    project = house.project()
    sample = project.next()["assignment"]["sample"]
    monkeypatch.setattr(kept_answers, "put", full)
    answer = submit(house.http, project, sample["id"], mask_of(sample["name"]), "k")
    assert answer.status_code == 201
    assert np.array_equal(
        [each["id"] for each in labels_of(house, project, sample["id"])],
        [answer.json()["label"]["id"]],
    )
