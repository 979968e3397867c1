"""Which model a project uses: shown, changed, and what a change means for its versions."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def trained(make_pictures: Any, tools: Any) -> Any:
    """A project with a version that serves."""
    project = make_pictures("tiny-classifier", 6)
    for sample in project.samples()[:5]:
        project.submit_json(sample["id"], classes=[tools.class_of(sample["name"])])
    assert project.train()["result"]["outcome"] == "promoted"
    return project


def test_a_projects_options_are_shown_with_what_they_may_be(trained: Any) -> None:
    option = trained.get()["app_options"]["step_seconds"]
    assert option["value"] == option["default"] == 0.0
    assert option["help"]
    assert option["minimum"] == 0


def test_a_change_says_which_version_was_made_otherwise(trained: Any) -> None:
    assert trained.get()["notices"] == []
    changed = trained.change(settings={"app_options": {"step_seconds": 0.001}}).json()
    assert changed["app_options"]["step_seconds"]["value"] == 0.001
    (notice,) = changed["notices"]
    assert "Version 1" in notice
    assert "step_seconds 0.0, now 0.001" in notice
    assert "from scratch" in notice
    assert trained.get()["model_version"] == 1
    back = trained.change(settings={"app_options": {"step_seconds": 0.0}}).json()
    assert back["notices"] == []


def test_an_option_that_does_not_fit_is_refused_and_changes_nothing(trained: Any) -> None:
    before = trained.get()
    for options in ({"odd": 1}, {"step_seconds": -1.0}, {"step_seconds": "slow"}):
        answer = trained.change(settings={"app_options": options})
        assert answer.status_code == 422
        assert answer.json()["problems"]
    assert trained.get()["settings"] == before["settings"]


def test_another_app_of_the_task_may_be_chosen_and_one_of_another_task_not(
    trained: Any,
) -> None:
    refused = trained.change(app="tiny-instances")
    assert refused.status_code == 409
    assert "classification" in refused.json()["detail"]
    unknown = trained.change(app="odd")
    assert unknown.status_code == 422
    chosen = trained.change(app="classification").json()
    assert chosen["app"] == "classification"
    assert "model" in chosen["app_options"]
    assert "app 'tiny-classifier', now 'classification'" in chosen["notices"][0]
    sample = trained.samples()[0]["id"]
    assert trained.predict(sample).json()["model_version"] == 1
    assert trained.change(app="tiny-classifier").json()["notices"] == []
