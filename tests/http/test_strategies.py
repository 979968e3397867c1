"""A strategy and its options, for a project and for one scoring."""

from __future__ import annotations

from typing import Any

import pytest

Live = Any


def scored(project: Any, **body: Any) -> dict[str, Any]:
    """Ask for a scoring and return its result."""
    asked = project.http.post(f"{project.url}/jobs", json={"kind": "score", **body})
    ended = project.ended(asked.raise_for_status().json()["id"])
    assert ended["state"] == "succeeded", ended["error"]
    found: dict[str, Any] = ended["result"]
    return found


@pytest.fixture
def ready(live: Live) -> Any:
    """A project with a model that serves and nothing queued to do."""
    project = live.project(images=8, strategy="entropy")
    for _ in range(4):
        lent = project.next()["assignment"]
        project.label(lent["sample"], assignment=lent["id"])
    job = project.http.post(f"{project.url}/jobs", json={"kind": "train"}).raise_for_status().json()
    assert project.ended(job["id"])["state"] == "succeeded"
    live.wait_for(lambda: not live.service.jobs.unfinished(project.get()["id"]))
    return project


def test_a_project_shows_its_strategy_s_options_and_what_they_may_be(live: Live) -> None:
    project = live.project(strategy="entropy", strategy_options={"batch": "power"})
    shown = project.get()["strategy_options"]
    assert set(shown) == {"batch", "beta"}
    assert shown["batch"]["value"] == "power"
    assert shown["batch"]["default"] == "top"
    assert "softrank" in shown["batch"]["choices"]
    assert shown["beta"]["value"] == shown["beta"]["default"]


def test_options_are_changed_and_another_strategy_begins_without_any(live: Live) -> None:
    project = live.project(strategy="entropy", strategy_options={"batch": "power"})
    change = {"settings": {"strategy_options": {"beta": 3.0}}}
    project.http.patch(project.url, json=change).raise_for_status()
    assert project.get()["settings"]["strategy_options"] == {"batch": "power", "beta": 3.0}
    project.http.patch(project.url, json={"settings": {"strategy": "clasp"}}).raise_for_status()
    assert project.get()["settings"]["strategy_options"] == {}
    assert set(project.get()["strategy_options"]) == {"share", "rounds"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"colour": 1}, "colour"),
        ({"batch": "bottom"}, "batch"),
        ({"beta": "much"}, "beta"),
        ({"beta": -1.0}, "beta"),
    ],
)
def test_options_that_do_not_fit_are_refused_and_change_nothing(
    live: Live, options: dict[str, Any], words: str
) -> None:
    project = live.project(strategy="entropy")
    before = project.get()
    refused = project.http.patch(project.url, json={"settings": {"strategy_options": options}})
    assert refused.status_code == 422
    assert words in refused.json()["detail"]
    assert project.get() == before


def test_a_project_that_names_no_strategy_gets_its_task_s(live: Live) -> None:
    folder = live.folder / "unnamed"
    folder.mkdir()
    body = {"name": "unnamed", "app": "tiny", "images": str(folder), "labels": ["shell", "core"]}
    answer = live.http.post("/api/v1/projects", json=body).raise_for_status().json()
    assert answer["settings"]["strategy"] == "clasp"


def test_one_scoring_is_another_strategy_s_and_the_next_the_project_s_again(ready: Any) -> None:
    assert scored(ready, strategy="first")["strategy"] == "first"
    lent = ready.next("one")["assignment"]
    assert lent["strategy"] == "first"
    assert ready.get()["settings"]["strategy"] == "entropy"
    assert scored(ready)["strategy"] == "entropy"
    assert ready.next("two")["assignment"]["strategy"] == "entropy"


def test_a_strategy_over_what_the_app_says_fills_the_queue_with_reasons(ready: Any) -> None:
    result = scored(ready, strategy="clasp")
    assert (result["strategy"], result["queued"] > 0) == ("clasp", True)
    lent = ready.next()["assignment"]
    assert lent["strategy"] == "clasp"
    assert lent["reason"]


def test_a_strategy_that_is_not_there_is_refused_and_no_job_is_made(ready: Any) -> None:
    before = ready.http.get(f"{ready.url}/jobs").json()["items"]
    refused = ready.http.post(f"{ready.url}/jobs", json={"kind": "score", "strategy": "best"})
    assert refused.status_code in {404, 422}
    assert "best" in refused.json()["detail"]
    training = ready.http.post(f"{ready.url}/jobs", json={"kind": "train", "strategy": "first"})
    assert training.status_code == 422
    assert "rescans only" in str(training.json())
    assert ready.http.get(f"{ready.url}/jobs").json()["items"] == before


def test_before_a_model_a_strategy_that_needs_one_is_refused(live: Live) -> None:
    project = live.project(strategy="entropy")
    live.wait_for(lambda: project.http.get(f"{project.url}/jobs").json()["items"])
    scored(project)
    before = project.http.get(f"{project.url}/jobs").json()["items"]
    refused = project.http.post(f"{project.url}/jobs", json={"kind": "score", "strategy": "clasp"})
    assert refused.status_code == 409
    assert "model" in refused.json()["detail"]
    assert project.http.get(f"{project.url}/jobs").json()["items"] == before


def test_the_first_batch_is_picked_by_pixels_and_the_next_by_the_model(live: Live) -> None:
    project = live.project(images=8, strategy="core-set", cold_start="typiclust")
    assert scored(project)["strategy"] == "typiclust"
    reasons = []
    for _ in range(4):
        lent = project.next()["assignment"]
        reasons.append((lent["purpose"], lent["strategy"], lent["reason"].split(":")[0]))
        project.label(lent["sample"], assignment=lent["id"])
    typical = ("training", "typiclust", "it is typical of images that have no label yet")
    drawn = "Drawn at random for the validation set, which measures every model."
    assert reasons == [typical, typical, ("validation", "random", drawn), typical]
    result = scored(project)
    assert (result["version"], result["described"]) == (None, 0)
    job = project.http.post(f"{project.url}/jobs", json={"kind": "train"}).raise_for_status().json()
    assert project.ended(job["id"])["state"] == "succeeded"
    result = scored(project)
    assert (result["version"], result["strategy"]) == (1, "core-set")
    lent = project.next("another")["assignment"]
    assert lent["strategy"] == "core-set"


def test_what_opens_a_project_may_need_no_more_than_embeddings(live: Live) -> None:
    project = live.project(cold_start="typiclust")
    refused = project.http.patch(
        project.url, json={"settings": {"cold_start": "uncertain-then-diverse"}}
    )
    assert refused.status_code == 422
    assert "needs scores of a model" in refused.json()["detail"]
    assert project.get()["settings"]["cold_start"] == "typiclust"


def test_plugins_say_what_they_need_and_which_options_they_have(live: Live) -> None:
    items = live.http.get("/api/v1/plugins").raise_for_status().json()["items"]
    found = {each["name"]: each for each in items if each["kind"] == "strategy"}
    assert found["clasp"]["needs"] == ["classes", "scores"]
    assert found["clasp"]["options"]["share"]["default"] == 0.66
    assert found["random"]["needs"] == []
    assert found["random"]["options"] == {}


def test_contenders_of_auto_are_checked_and_what_they_bought_is_shown(ready: Any) -> None:
    change = {"strategy": "auto", "strategy_options": {"strategies": ["clasp", "bagde"]}}
    refused = ready.http.patch(ready.url, json={"settings": change})
    assert refused.status_code == 422
    assert "'bagde' is none of" in refused.json()["detail"]
    change["strategy_options"] = {"strategies": ["clasp"], "control": 0.5}
    ready.http.patch(ready.url, json={"settings": change}).raise_for_status()
    assert scored(ready)["strategy"] == "auto"
    lent = [ready.next(name)["assignment"] for name in ("one", "two")]
    assert sorted(each["arm"] for each in lent) == ["clasp", "random"]
    for each in lent:
        ready.label(each["sample"], assignment=each["id"], annotator=each["annotator"])
    arms = ready.http.get(f"{ready.url}/progress").json()["arms"]
    assert [(each["arm"], each["labels"], each["standing"]) for each in arms] == [
        ("random", 1, "control"),
        ("clasp", 1, "open"),
    ]
    assert arms[1] == arms[1] | {"trials": 0, "gain": None, "low": None, "high": None}
