"""A wrong label comes first in the list of suspects, and leaves it once it is dealt with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from limner.client import Limner

pytestmark = pytest.mark.live


def reviewed(project: Any, **body: Any) -> dict[str, Any]:
    """Review, and return the job when it has ended."""
    answer = project.http.post(f"{project.url}/jobs", json={"kind": "review", **body})
    assert answer.status_code == 202, answer.text
    job = answer.json()["id"]

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = project.http.get(f"/api/v1/jobs/{job}").json()
        return found if found["state"] in {"succeeded", "failed", "cancelled"} else None

    done: dict[str, Any] = project.wait_for(ended)
    assert done["state"] == "succeeded", done["error"]
    return done


def suspects(project: Any, **query: Any) -> list[dict[str, Any]]:
    answer = project.http.get(f"{project.url}/suspects", params=query)
    found: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    return found


def jobs(project: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = project.http.get(f"{project.url}/jobs").json()["items"]
    return found


def other(name: str) -> str:
    return {"dark": "bright", "bright": "dark"}[name]


@pytest.fixture
def wrong(make_pictures: Any, tools: Any) -> tuple[Any, dict[str, Any]]:
    """A project of labelled pictures, and the sample whose label says the other class."""
    project = make_pictures("tiny-classifier", 18)
    for number, sample in enumerate(project.samples()):
        truth = tools.class_of(sample["name"])
        given = other(truth) if number == 7 else truth
        assert project.submit_json(sample["id"], classes=[given]).status_code == 201
    return project, project.samples()[7]


def test_the_wrong_class_comes_first_and_is_approved_or_corrected_away(
    wrong: tuple[Any, dict[str, Any]], tools: Any
) -> None:
    project, sample = wrong
    assert suspects(project) == []
    done = reviewed(project)
    assert done["kind"] == "review"
    assert done["result"]["reviewed"] == 18
    assert done["params"] == {"folds": 3, "effort": 1.0}
    found = suspects(project)
    first, truth = found[0], tools.class_of(sample["name"])
    assert first["sample"]["id"] == sample["id"]
    assert first["label"]["id"] == sample["label_id"]
    assert first["label"]["version"] == 1
    assert first["score"] == min(each["score"] for each in found) < 0.5
    assert first["model_says"]["classes"] == [truth]
    assert f"Labelled {other(truth)!r}" in first["reason"]
    assert first["job_id"] == done["id"]
    assert [each["label"]["id"] for each in suspects(project, limit=1)] == [sample["label_id"]]

    project.http.post(f"/api/v1/labels/{sample['label_id']}/approve").raise_for_status()
    assert sample["id"] not in {each["sample"]["id"] for each in suspects(project)}
    reviewed(project)
    assert sample["id"] not in {each["sample"]["id"] for each in suspects(project)}


def test_a_new_label_takes_the_suspect_off_the_list(
    wrong: tuple[Any, dict[str, Any]], tools: Any
) -> None:
    project, sample = wrong
    reviewed(project, folds=4, effort=0.5)
    assert suspects(project)[0]["sample"]["id"] == sample["id"]
    right = [tools.class_of(sample["name"])]
    assert project.submit_json(sample["id"], classes=right).status_code == 201
    assert sample["id"] not in {each["sample"]["id"] for each in suspects(project)}
    reviewed(project)
    assert sample["id"] not in {each["sample"]["id"] for each in suspects(project)}


def test_rejecting_a_suspect_hands_its_sample_out_again(
    wrong: tuple[Any, dict[str, Any]],
) -> None:
    project, sample = wrong
    with Limner(str(project.http.base_url), token="an admin's") as limner:
        handle = limner.project(project.name)
        limner.wait(handle.start_job("review", folds=3))
        first = next(handle.suspects())
        assert first.sample.id == sample["id"]
        assert first.reason
        limner.reject(first.label.id)
        assert first.label.id not in {each.label.id for each in handle.suspects()}
        assert handle.sample(sample["id"]).state == "ready"


def test_several_classes_an_image_are_reviewed_class_by_class(
    make_pictures: Any, tools: Any
) -> None:
    project = make_pictures("tiny-classifier", 18, multi_label=True)
    samples = project.samples()
    for number, sample in enumerate(samples):
        classes = [tools.class_of(sample["name"])] if number != 5 else ["dark", "bright"]
        assert project.submit_json(sample["id"], classes=classes).status_code == 201
    reviewed(project)
    first = suspects(project)[0]
    assert first["sample"]["id"] == samples[5]["id"]
    truth = tools.class_of(samples[5]["name"])
    assert f"does not find {other(truth)!r}" in first["reason"]
    assert first["model_says"]["classes"] == [truth]


def test_an_overlooked_object_is_suspect(make_pictures: Any, tools: Any) -> None:
    project = make_pictures("tiny-instances", 12)
    samples = project.samples()
    for number, sample in enumerate(samples):
        drawn = tools.numbered(sample["name"])
        # Numbers are class value × 1000 and more; here 1 is dark and 2 is bright.
        coded = np.where(drawn == 0, 0, (2 - drawn % 2) * 1000 + drawn).astype(np.uint16)
        if number == 3:
            coded[drawn == 2] = 0
        answer = project.submit(sample["id"], tools.png(coded), "map.png")
        assert answer.status_code == 201, answer.text
    reviewed(project)
    first = suspects(project)[0]
    assert first["sample"]["id"] == samples[3]["id"]
    assert first["model_says"]["overlooked"] == 1
    assert "one object that the label lacks" in first["reason"]


def test_too_few_labels_are_refused_with_how_many_are_needed(make_pictures: Any) -> None:
    project = make_pictures("tiny-classifier", 5)
    for sample in project.samples():
        project.submit_json(sample["id"], classes=["dark"])
    answer = project.http.post(f"{project.url}/jobs", json={"kind": "review"})
    assert answer.status_code == 409
    assert "at least 6" in answer.json()["detail"]
    assert not {"review", "train"} & {each["kind"] for each in jobs(project)}


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "review", "folds": 1},
        {"kind": "review", "folds": 11},
        {"kind": "review", "folds": 2.5},
        {"kind": "review", "effort": 0},
        {"kind": "review", "from_scratch": True},
        {"kind": "review", "strategy": "entropy"},
        {"kind": "train", "folds": 3},
        {"kind": "score", "folds": 3},
    ],
)
def test_wishes_that_do_not_fit_are_refused(make_pictures: Any, body: dict[str, Any]) -> None:
    project = make_pictures("tiny-classifier", 1)
    assert project.http.post(f"{project.url}/jobs", json=body).status_code == 422
    assert not {"review", "train"} & {each["kind"] for each in jobs(project)}


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 1001}, {"cursor": "x"}, {"cursor": "MQ"}, {"sort": "score"}]
)
def test_a_page_that_cannot_be_is_refused(make_pictures: Any, query: dict[str, Any]) -> None:
    project = make_pictures("tiny-classifier", 1)
    assert project.http.get(f"{project.url}/suspects", params=query).status_code == 422


def test_an_unknown_project_has_no_suspects(live: Any) -> None:
    assert live.http.get("/api/v1/projects/nowhere/suspects").status_code == 404
