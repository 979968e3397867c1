"""Projects: what may be made, changed and deleted."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from limner.errors import Conflict, InvalidRequest, NotFound, SettingsError


def test_a_project_is_made_once_and_opened_again(house: Any) -> None:
    house.projects.open_all([house.config()])
    first = house.projects.get("liver")
    house.projects.open_all([house.config()])
    assert house.projects.get("liver") == first
    assert house.audited() == ["project.created"]
    assert [each.name for each in house.projects.list().items] == ["liver"]


def test_schema_settings_and_options_are_parsed(house: Any) -> None:
    project = house.project(retrain_every=7, app_options={"depth": 4})
    assert house.projects.schema(project).names == ("organ", "tumour")
    assert house.projects.settings(project).retrain_every == 7
    assert house.projects.app_options(project) == {"depth": 4}
    assert house.projects.of_id(project.id) == project
    assert house.projects.settings(project) is house.projects.settings(project)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"app": "nobody"}, "no app 'nobody'"),
        ({"images": "/nowhere/at/all"}, "not a folder"),
        ({"labels": []}, "at least one class"),
        ({"labels": ["a", "a"]}, "must differ"),
        ({"labels": ["a", "b", "c", "d"]}, "at most 3 classes"),
        ({"labels": {"a": 0}}, "0"),
        ({"settings": {"strategy": "nobody"}}, "strategy: "),
        ({"settings": {"cold_start": "unsure"}}, "needs scores of a model"),
        ({"settings": {"app_options": {"depth": 9}}}, "above 5"),
        ({"settings": {"app_options": {"width": 1}}}, "'width' is unknown"),
    ],
)
def test_a_project_that_cannot_work_is_refused(
    house: Any, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        house.projects.create(house.config(**changes))
    assert any(words in problem for problem in caught.value.problems)
    assert house.projects.list().items == []


def test_every_problem_is_told_at_once(house: Any) -> None:
    config = house.config(app="nobody", images="/nowhere", settings={"strategy": "none"})
    with pytest.raises(InvalidRequest) as caught:
        house.projects.create(config)
    assert len(caught.value.problems) == 3


def test_a_name_is_taken_until_its_project_is_deleted(house: Any) -> None:
    old = house.project()
    with pytest.raises(Conflict, match="already"):
        house.project()
    house.projects.delete("liver", "chief")
    with pytest.raises(NotFound):
        house.projects.get("liver")
    with pytest.raises(NotFound, match="deleted"):
        house.projects.of_id(old.id)
    assert house.project().id != old.id
    assert house.images.is_dir()


def test_settings_change_one_by_one(house: Any) -> None:
    house.project(retrain_every=7, gate={"margin": 0.02})
    house.projects.change(
        "liver",
        title="Livers",
        settings={"gate": {"confidence": 0.9}, "app_options": {"depth": 3}},
        actor="chief",
    )
    project = house.projects.get("liver")
    settings = house.projects.settings(project)
    assert project.title == "Livers"
    assert (settings.retrain_every, settings.app_options) == (7, {"depth": 3})
    assert (settings.gate.margin, settings.gate.confidence) == (0.02, 0.9)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"retrain_every": -1}, "retrain_every"),
        ({"colour": "red"}, "colour"),
        ({"gate": {"margin": 5}}, "gate.margin"),
        ({"gate": 5}, "gate"),
        ({"strategy": "nobody"}, "nobody"),
    ],
)
def test_settings_that_do_not_fit_are_refused_and_change_nothing(
    house: Any, given: dict[str, Any], words: str
) -> None:
    before = house.project()
    with pytest.raises(InvalidRequest, match=words):
        house.projects.change("liver", settings=given, actor="chief")
    assert house.projects.get("liver") == before


def test_classes_may_be_added_but_none_dropped_once_there_are_labels(house: Any) -> None:
    house.project(validation_share=0)
    (sample,) = house.volumes(1)
    house.submit(sample.id)
    settings = house.projects.get("liver").settings
    more = house.config(labels=["organ", "tumour", "vessel"], settings=settings)
    house.projects.open_all([more])
    assert house.projects.schema(house.projects.get("liver")).names[-1] == "vessel"
    fewer = house.config(labels=["organ"], settings=settings)
    with pytest.raises(SettingsError, match=r"liver.*none dropped"):
        house.projects.open_all([fewer])


def test_without_labels_everything_may_change(house: Any) -> None:
    house.project()
    house.projects.open_all([house.config(labels=["else"], settings={"readings": 3})])
    assert house.projects.schema(house.projects.get("liver")).names == ("else",)


def test_readings_stay_once_there_are_labels(house: Any) -> None:
    house.project(validation_share=0)
    (sample,) = house.volumes(1)
    house.submit(sample.id)
    with pytest.raises(Conflict, match="1 readings"):
        house.projects.change("liver", settings={"readings": 2}, actor="chief")


def test_a_known_project_opens_without_its_plugin_or_its_folder(
    house: Any, caplog: pytest.LogCaptureFixture
) -> None:
    house.project()
    house.images.rmdir()
    house.projects.open_all([house.config(settings={"strategy": "gone-by-now"})])
    assert "gone-by-now" in caplog.text


def test_projects_come_in_pages(house: Any) -> None:
    for number in range(5):
        house.projects.create(house.config(name=f"p{number}"))
    names, cursor = [], None
    while True:
        page = house.projects.list(cursor, 2)
        names += [each.name for each in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert names == ["p0", "p1", "p2", "p3", "p4"]


@pytest.mark.parametrize("cursor", ["nonsense", "bnVsbA", "dHJ1ZQ", "W10", "IngI", "é", "MWUzMDA"])
def test_a_cursor_that_no_page_gave_is_refused(house: Any, cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="Cursor"):
        house.projects.list(cursor, 2)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_a_size(house: Any, limit: int) -> None:
    with pytest.raises(InvalidRequest, match="limit"):
        house.projects.list(None, limit)


def test_a_closed_house_leaves_no_open_connection(make_house: Any) -> None:
    house = make_house()
    house.project()
    house.close()
    gc.collect()
    assert house.records.engines[0].pool.checkedout() == 0
