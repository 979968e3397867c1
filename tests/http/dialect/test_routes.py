"""Where the dialect's routes are, in both forms, and which project is at the root."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.http.conftest import PLUGINS, image, running, truth, volume_bytes, wait_for
from tests.http.dialect.conftest import ENGINE, Dialect, Site, made

from limner.settings import MonaiLabelSettings, ProjectConfig, Settings

BOTH_FORMS = [
    ("GET", "/info/"),
    ("GET", "/auth/"),
    ("GET", "/datastore/"),
    ("DELETE", "/train/"),
    ("DELETE", "/scoring/"),
    ("DELETE", "/batch/infer"),
    ("POST", "/activelearning/random"),
    ("GET", "/datastore/image?image=case0"),
    ("GET", "/datastore/image/info?image=case0"),
    ("GET", "/datastore/label/info?label=case0&tag=final"),
    ("DELETE", "/datastore/label?id=case0&tag=final"),
]


@pytest.mark.parametrize(("method", "path"), BOTH_FORMS)
def test_a_route_answers_with_and_without_a_slash_at_its_end(
    dialect: Dialect, method: str, path: str
) -> None:
    bare, mark, query = path.partition("?")
    for form in (bare.rstrip("/"), bare.rstrip("/") + "/"):
        answer = dialect.ask(method, form + mark + query)
        assert answer.status_code == 200, (form, answer.text)
        assert not answer.history


def test_errors_are_a_detail_in_json(dialect: Dialect) -> None:
    for method, path, status in (
        ("POST", "/infer/nothing?image=case0", 404),
        ("POST", "/activelearning/nothing", 404),
        ("POST", "/train/nothing", 404),
        ("POST", "/scoring/nothing", 404),
        ("GET", "/datastore/image?image=nothing", 404),
        ("GET", "/datastore/?output=nothing", 422),
        ("GET", "/train/?all=perhaps", 422),
        ("GET", "/logs/?lines=many", 422),
        ("POST", "/infer/tiny?image=case0", 409),
    ):
        answer = dialect.ask(method, path)
        assert answer.status_code == status, (path, answer.text)
        assert answer.headers["Content-Type"] == "application/json"
        assert list(answer.json()) == ["detail"]


def images(folder: Path, number: int = 1) -> Path:
    folder.mkdir()
    for each in range(number):
        (folder / f"case{each}.nii.gz").write_bytes(volume_bytes(image(f"case{each}")))
    return folder


def settings(tmp_path: Path, *names: str, **viewers: Any) -> Settings:
    return Settings(
        home=tmp_path / "home",
        port=0,
        plugins=(PLUGINS / "tiny_app.py",),
        engine=ENGINE,
        projects=tuple(
            ProjectConfig(
                name=name, app="tiny", images=images(tmp_path / name), labels=["shell", "core"]
            )
            for name in names
        ),
        monai_label=MonaiLabelSettings(**viewers),
    )


def test_the_only_project_of_the_settings_is_at_the_root(tmp_path: Path) -> None:
    with running(settings(tmp_path, "one")) as (_, server):
        here = httpx.get(f"{server.url}/info/").json()
        assert here == httpx.get(f"{server.url}/monai/one/info/").json()
        assert here["name"] == "one"


def test_the_project_that_the_settings_name_is_at_the_root(tmp_path: Path) -> None:
    with running(settings(tmp_path, "one", "two", project="two")) as (_, server):
        assert httpx.get(f"{server.url}/info/").json()["name"] == "two"
        assert httpx.get(f"{server.url}/monai/one/info/").json()["name"] == "one"


def test_of_several_projects_none_is_at_the_root_and_the_answer_says_where_they_are(
    tmp_path: Path,
) -> None:
    with running(settings(tmp_path, "one", "two")) as (_, server):
        answer = httpx.get(f"{server.url}/info/")
        assert answer.status_code == 404
        assert "one, two" in answer.json()["detail"]
        assert "/monai/PROJECT" in answer.json()["detail"]


def test_a_training_that_runs_refuses_another_unless_it_may_wait(
    site: Site, dialect: Dialect
) -> None:
    name = dialect.next()["id"]
    dialect.submit(name, volume_bytes(truth(name))).raise_for_status()
    first = dialect.ask("POST", "/train/tiny", json={})
    second = dialect.ask("POST", "/train/tiny", json={})
    waits = dialect.ask("POST", "/train/tiny?enqueue=true", json={})
    assert first.status_code == 200
    assert second.status_code in (200, 429)  # the first may have ended by then
    assert waits.status_code == 200
    every = dialect.ask("GET", "/train/?all=true").json()
    assert [each["id"] for each in every] == sorted((each["id"] for each in every), key=int)
    wait_for(lambda: not dialect.service.jobs.unfinished(project_id(dialect)))
    assert dialect.ask("GET", "/train/").json()["details"]
    assert dialect.ask("DELETE", "/train/").json() is None


def test_all_images_are_predicted_in_bulk(trained: Dialect) -> None:
    task = trained.ask("POST", "/batch/infer/tiny?images=all&run_sync=true", json={}).json()
    assert task["status"] == "DONE"
    objects = trained.ask("GET", "/datastore/?output=all").json()["objects"]
    assert all("original" in each["labels"] for each in objects.values())
    drawn = trained.ask("GET", "/datastore/label?label=case0&tag=original")
    assert drawn.status_code == 200
    assert drawn.headers["Content-Disposition"] == 'attachment; filename="case0.nii.gz"'


@pytest.mark.parametrize("wanted", ["labeled", "unlabeled", ["case0", "case1"]])
def test_some_images_are_predicted_in_bulk(trained: Dialect, wanted: Any) -> None:
    body = {"images": wanted}
    answer = trained.ask("POST", "/batch/infer/tiny?run_sync=true", json=body)
    assert answer.json()["status"] == "DONE"
    assert answer.json()["request"]["images"] == wanted


@pytest.mark.parametrize("wanted", ["some", 7, [1], {"a": 1}, ["nothing"]])
def test_what_cannot_be_predicted_in_bulk_is_refused(trained: Dialect, wanted: Any) -> None:
    answer = trained.ask("POST", "/batch/infer/tiny", json={"images": wanted})
    assert answer.status_code in (404, 422)


def test_the_data_set_has_images_labels_and_what_they_are(trained: Dialect, tmp_path: Path) -> None:
    answer = trained.ask("GET", "/datastore/dataset?limit_cases=2")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
        described = json.loads(archive.read("metadata.json"))
    assert len([each for each in names if each.startswith("image/")]) == 2
    assert described["labels"] == {"shell": 1, "core": 2}
    assert {each["label"] for each in described["samples"]} == {
        each for each in names if each.startswith("label/")
    }


def test_who_asks_on_and_on_gives_back_what_was_held_longest(
    site: Site,
) -> None:
    dialect = made(site, images=5, max_held=2, validation_share=0)
    got = [dialect.next()["id"] for _ in range(3)]
    assert len(set(got)) == 3
    held = dialect.service.assignments.held(dialect.name, "ann")
    names = [dialect.service.samples.get(dialect.name, each.sample_id).name for each in held]
    assert names == got[1:]


def project_id(dialect: Dialect) -> int:
    return dialect.service.projects.get(dialect.name).id
