"""What runs is the code that was registered, whatever becomes of the file it came from."""

from __future__ import annotations

import dataclasses
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.plugin import Pool

# The fixtures' classes live in conftest.py, which cannot be imported.
Live = Any
Site = Any

PLUGINS = Path(__file__).parent.parent / "plugins"
POOL = Pool(ids=np.arange(4))


def word(site: Site, name: str) -> str:
    """Let a strategy pick; its workers start with the first time."""
    reason: str = site.service.engine.pick(name, POOL, 1, 0)[0].reason
    return reason


def copies(site: Site) -> set[str]:
    """Everything in the folder of copies, by name."""
    folder = site.home / "plugins"
    return {each.name for each in folder.rglob("*") if each.is_file()}


def test_a_file_that_is_edited_broken_or_deleted_runs_as_it_was_registered(
    serving: Any, tmp_path: Path
) -> None:
    with serving(tmp_path) as site:
        for name in ("edited", "broken", "deleted"):
            site.write_strategy(f"{name}.py", name=name, word="registered")
            site.register(path=f"{name}.py").raise_for_status()
        site.write_strategy("edited.py", name="edited", word="unchecked")
        (site.folder / "broken.py").write_text("import os\nos._exit(5)\n")
        (site.folder / "deleted.py").unlink()
        assert {word(site, name) for name in ("edited", "broken", "deleted")} == {"registered"}
    with serving(tmp_path) as site:
        listed = site.listed()
        for name in ("edited", "broken", "deleted"):
            item = listed["strategy", name]
            assert (item["usable"], item["revision"]) == (True, 1)
            assert item["location"] == str(site.folder / f"{name}.py")
            assert word(site, name) == "registered"
        before = site.state()
        assert site.register(path="broken.py").status_code == 422
        assert site.register(path="deleted.py").status_code == 422
        assert site.state() == before
        assert site.register(path="edited.py").json()["change"] == "changed"
        assert word(site, "edited") == "unchecked"
        assert site.http.delete("/api/v1/plugins/strategy/deleted").status_code == 204
        assert "deleted.py" in copies(site)  # its workers may still be at it
    with serving(tmp_path) as site:
        assert copies(site) == {"edited.py", "broken.py"}
        assert word(site, "edited") == "unchecked"


def test_what_took_the_name_of_a_retired_plugin_keeps_it_over_a_restart(
    serving: Any, tmp_path: Path
) -> None:
    with serving(tmp_path) as site:
        assert site.http.delete("/api/v1/plugins/strategy/first").status_code == 204
        site.write_strategy("mine.py", name="first", word="mine")
        site.register(path="mine.py").raise_for_status()
        assert word(site, "first") == "mine"
    with serving(tmp_path) as site:
        assert site.listed()["strategy", "first"]["location"] == str(site.folder / "mine.py")
        assert word(site, "first") == "mine"


PACKAGE = """
from limner.plugin import StrategyManifest
from . import picking
manifest = StrategyManifest(
    name="parcel", version="1", factory="parcel.picking:Made", needs=frozenset(), title="Parcel",
    licence="MIT",
)
"""
PICKING = """
from pathlib import Path
from limner.plugin import Pick
from .inner.words import first
from parcel.linked.words import second

class Made:
    def pick(self, pool, count, seed):
        text = (Path(__file__).parent / "data" / "reason.txt").read_text()
        return [Pick(index=0, score=0.0, reason=" ".join((first, second, text)))]
"""


def test_a_package_runs_with_its_data_and_its_relative_imports(site: Site) -> None:
    folder = site.folder / "parcel"
    texts = {
        "__init__.py": PACKAGE,
        "picking.py": PICKING,
        "inner/words.py": "first, second = 'one', 'two'",
        "data/reason.txt": "three",
        "__pycache__/stray.pyc": "",
        ".hidden/notes.txt": "",
        "env/pyvenv.cfg": "",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "linked").symlink_to("inner")
    before = copies(site)
    assert site.register(path="parcel").status_code == 201
    assert not (copies(site) - before) & {"stray.pyc", "notes.txt", "pyvenv.cfg"}
    (folder / "data" / "reason.txt").write_text("edited")
    assert word(site, "parcel") == "one two three"
    assert site.register(path="parcel").json()["change"] == "changed"
    assert word(site, "parcel") == "one two edited"
    (folder / "linked").unlink()
    (folder / "linked").symlink_to("data")
    assert site.register(path="parcel").status_code == 422
    shutil.rmtree(folder)
    assert word(site, "parcel") == "one two edited"


def test_what_was_given_at_the_start_runs_from_a_copy_once_it_is_registered(
    site: Site, serving: Any, tmp_path: Path
) -> None:
    given = tmp_path / "plugins" / "given.py"
    given.parent.mkdir()
    given.write_text(site.write_strategy("unused.py", name="given"))
    with serving(tmp_path, plugins=(given,)) as site:
        assert site.listed()["strategy", "given"]["revision"] == 0
        made = site.register(path="given.py")
        assert (made.status_code, made.json()["change"]) == (201, "registered")
        assert site.register(path="given.py").json()["change"] == "unchanged"
        site.write_strategy("given.py", name="given", word="edited")
        assert word(site, "given") == "one"
    with serving(tmp_path, plugins=(given,)) as site:
        assert [each for each in site.listed() if each[1] == "given"] == [("strategy", "given")]
        assert site.listed()["strategy", "given"]["revision"] == 1
        assert word(site, "given") == "one"


def test_what_is_refused_leaves_no_copy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write_strategy("leaves.py", name="leaves")
    site.register(path="leaves.py").raise_for_status()
    before = copies(site)
    for text in ("import nothing_of_that_name\n", site.write_strategy("x.py", name="entropy")):
        (site.folder / "leaves.py").write_text(text)
        assert site.register(path="leaves.py").status_code in {409, 422}
    monkeypatch.setattr("limner.registry.code_state.MOST_BYTES", 10)
    site.write_strategy("large.py", name="large")
    answer = site.register(path="large.py")
    assert answer.status_code == 422
    assert "holds more than" in answer.json()["problems"][0]
    assert copies(site) == before


def test_registrations_at_the_same_instant_do_not_mix(site: Site) -> None:
    names = [f"racer{number}" for number in range(3)]
    for name in names:
        site.write_strategy(f"{name}.py", name=name, word=name)
    places = ["left", "right"]
    for place in places:  # of one file name and content: they share their copy
        (site.folder / place).mkdir()
        site.write_strategy(f"{place}/same.py", name="same", word="same")
    paths = [*(f"{name}.py" for name in names), *(f"{place}/same.py" for place in places)]
    with ThreadPoolExecutor(len(paths)) as pool:
        answers = list(pool.map(lambda path: site.register(path=path).status_code, paths))
    assert answers[:3] == [201, 201, 201]
    assert sorted(answers[3:]) == [201, 409]
    assert [word(site, name) for name in (*names, "same")] == [*names, "same"]
    for name in names:
        assert site.listed()["strategy", name]["revision"] == 1


def test_the_serving_models_of_projects_are_loaded_once_their_app_has_changed(
    live: Live, tmp_path: Path
) -> None:
    loads = tmp_path / "loads"
    file = live.folder / "plugins" / "warmed.py"
    head = "    def load(self, request: LoadRequest) -> TinyModel:\n"
    tiny = (PLUGINS / "tiny_app.py").read_text().replace('name="tiny"', 'name="warmed"')
    assert head in tiny

    def register(version: str) -> dict[str, Any]:
        line = f"        print('{version};', end='', file=open({str(loads)!r}, 'a'))\n"
        file.write_text(tiny.replace(head, head + line))
        answer = live.http.post("/api/v1/plugins", json={"path": "warmed.py"})
        made: dict[str, Any] = answer.raise_for_status().json()
        return made

    register("first")
    images = live.project(images=4)
    body = {
        "name": "warmed",
        "app": "warmed",
        "images": str(images.folder),
        "labels": ["shell", "core"],
        "settings": {"strategy": "tiny", "retrain_every": 0},
    }
    live.http.post("/api/v1/projects", json=body).raise_for_status()
    project = dataclasses.replace(images, name="warmed")
    live.wait_for(lambda: project.get()["counts"]["samples"] == 4)
    for _ in range(2):
        lent = project.next()["assignment"]
        project.label(lent["sample"], assignment=lent["id"])
    job = live.http.post(f"{project.url}/jobs", json={"kind": "train"}).raise_for_status().json()
    assert project.ended(job["id"])["state"] == "succeeded"

    number = project.get()["id"]
    live.wait_for(lambda: not live.service.jobs.unfinished(number))
    assert register("second")["change"] == "changed"
    live.wait_for(lambda: loads.exists() and "second;" in loads.read_text())
    sample = project.next()["assignment"]["sample"]["id"]
    answer = live.http.get(f"{project.url}/samples/{sample}/predict")
    assert answer.status_code == 200
    assert loads.read_text().count("second;") == 1
