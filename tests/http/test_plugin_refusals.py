"""What may not be registered or retired, and by whom: refused, with nothing changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

# The fixtures' classes live in conftest.py, which cannot be imported.
Site = Any

PLUGINS = Path(__file__).parent.parent / "plugins"
ORDINARY = {"Authorization": "Bearer the-ordinary-token"}

OUTSIDE = {
    "outside": {"path": "../pixel.png"},
    "above": {"path": "../elsewhere.py"},
    "absolute": {"path": "/etc/passwd"},
    "link": {"path": "link.py"},
    "loop": {"path": "loop.py"},
    "the folder itself": {"path": "."},
    "absent": {"path": "absent.py"},
    "no plugin in it": {"path": "empty"},
    "no Python": {"path": "notes.txt"},
    "long": {"path": "a" * 10_000},
    "long part": {"path": "a" * 300 + ".py"},
    "empty": {"path": ""},
    "nothing": {},
    "both": {"path": "a.py", "name": "random", "kind": "strategy"},
    "no kind": {"name": "random"},
    "other kind": {"name": "random", "kind": "store"},
    "other type": {"path": 7},
    "unknown field": {"path": "a.py", "force": True},
}


@pytest.mark.parametrize("body", OUTSIDE.values(), ids=OUTSIDE)
def test_what_leads_nowhere_is_refused(site: Site, body: dict[str, Any]) -> None:
    site.write_strategy("../elsewhere.py", name="elsewhere")
    (site.folder / "empty").mkdir(exist_ok=True)
    (site.folder / "notes.txt").write_text("none")
    for name, target in (("link.py", "../elsewhere.py"), ("loop.py", "loop.py")):
        if not (site.folder / name).is_symlink():
            (site.folder / name).symlink_to(target)
    before = site.state()
    answer = site.register(**body)
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/invalid-request"
    assert len(answer.json()["detail"]) < 2000
    assert site.state() == before


def test_a_nul_and_an_unknown_name_are_refused(site: Site) -> None:
    before = site.state()
    assert site.register(path="a\0b.py").status_code == 400
    assert site.register(name="nobody", kind="app").status_code == 404
    assert site.http.delete("/api/v1/plugins/app/nobody").status_code == 404
    assert site.http.delete("/api/v1/plugins/store/random").status_code == 404
    assert site.state() == before


BROKEN = {
    "raises_on_import.py": "the licence server is away",
    "exits_on_import.py": "SystemExit: 7",
    "imports_torch.py": "importing the manifest imports torch",
    "wrong_contract.py": "made for contract 2.0",
    "no_manifest.py": "defines neither",
    "not_a_manifest.py": "its manifest is a dict",
    "lacks_training.py": "has no method train",
    "ends.py": "ended its process with code 3",
    "hangs.py": "did not end within 2 s",
    "shouts.py": "did not end within 2 s",
    "linking": "links to something outside",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_refused_with_what_is_wrong_and_the_server_lives(
    site: Site, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = site.folder / name
    if name == "imports_torch.py":
        pytest.importorskip("torch")
    if name == "ends.py":
        path.write_text("import os\nos._exit(3)\n")
    elif name in ("hangs.py", "shouts.py"):
        monkeypatch.setattr("limner.registry.reading.READ_TIMEOUT_S", 2.0)
        path.write_text(
            "while True:\n    " + ("pass" if name == "hangs.py" else "print('x' * 999)")
        )
    elif name == "linking":
        path.mkdir()
        site.write_strategy(f"{name}/__init__.py", name="linking")
        (path / "more.py").symlink_to(site.folder.parent / "elsewhere.py")
    else:
        shutil.copy(PLUGINS / name, path)
    before = site.state()
    answer = site.register(path=name)
    assert answer.status_code == 422
    assert BROKEN[name] in " ".join(answer.json()["problems"])
    assert site.state() == before
    assert site.http.get("/health/ready").status_code == 200


def test_a_change_that_is_broken_leaves_the_old_one_in_use(site: Site) -> None:
    site.write_strategy("kept.py", name="kept")
    site.register(path="kept.py").raise_for_status()
    before = site.state()
    (site.folder / "kept.py").write_text("import nothing_of_that_name\n")
    assert site.register(path="kept.py").status_code == 422
    assert site.state() == before
    assert site.listed()["strategy", "kept"]["usable"]


def test_of_several_in_a_file_all_come_or_none(site: Site) -> None:
    good = site.write_strategy("several.py", name="good-one")
    (site.folder / "several.py").write_text(
        good + "from dataclasses import replace\n"
        "manifests = (manifest, replace(manifest, name='bad-one', factory=':Absent'))\n"
    )
    before = site.state()
    answer = site.register(path="several.py")
    assert answer.status_code == 422
    assert "'bad-one'" in answer.json()["problems"][0]
    assert site.state() == before
    doubled = good + "manifests = (manifest, manifest)\n"
    (site.folder / "several.py").write_text(doubled)
    assert "called 'good-one' already" in site.register(path="several.py").json()["detail"]
    assert site.state() == before


def test_a_name_that_is_taken_is_refused(site: Site) -> None:
    site.write_strategy("imposter.py", name="entropy")
    before = site.state()
    answer = site.register(path="imposter.py")
    assert answer.status_code == 409
    assert "another strategy is called 'entropy' already" in answer.json()["problems"][0]
    assert site.state() == before


def test_a_change_that_would_break_projects_is_refused(site: Site) -> None:
    app = (PLUGINS / "tiny_app.py").read_text().replace('name="tiny"', 'name="mine"')
    (site.folder / "mine.py").write_text(app)
    site.register(path="mine.py").raise_for_status()
    site.write_strategy("coldly.py", name="coldly")
    site.register(path="coldly.py").raise_for_status()
    url = site.project("breakable", cold_start="coldly")
    site.http.delete(url).raise_for_status()
    body = {
        "name": "breakable-too",
        "app": "mine",
        "images": str(site.home / "breakable"),
        "labels": ["shell"],
        "settings": {"cold_start": "coldly"},
    }
    site.http.post("/api/v1/projects", json=body).raise_for_status()
    before = site.state()
    instances = app.replace("task=Task.SEGMENTATION", "task=Task.INSTANCES")
    instances = instances.replace(", Ability.REGIONS}", "}")  # which is of masks alone
    assert instances != app
    (site.folder / "mine.py").write_text(instances)
    answer = site.register(path="mine.py")
    assert answer.status_code == 409
    assert "was made for the task 'segmentation'" in answer.json()["problems"][0]
    site.write_strategy("mine.py", name="mine")  # another kind altogether
    answer = site.register(path="mine.py")
    assert answer.status_code == 409
    assert answer.json()["problems"] == ["project 'breakable-too' uses it as app"]
    site.write_strategy("coldly.py", name="coldly", needs="{'scores'}")
    answer = site.register(path="coldly.py")
    assert answer.status_code == 409
    assert "uses it as cold_start, and it needs scores" in answer.json()["problems"][0]
    assert site.state() == before


CHANGES = [
    ("POST", "/api/v1/plugins", {"path": "orders.py"}),
    ("DELETE", "/api/v1/plugins/strategy/random", None),
]


@pytest.mark.parametrize(("method", "url", "body"), CHANGES)
@pytest.mark.parametrize(
    ("token", "status"),
    [(None, 401), ("Bearer wrong", 401), ("Basic the-admin-token", 401), (ORDINARY, 403)],
)
def test_only_the_admin_token_changes_plugins(
    site: Site, method: str, url: str, body: Any, token: Any, status: int
) -> None:
    before = site.state()
    headers = {"Authorization": token} if isinstance(token, str) else token or {}
    with httpx.Client(base_url=site.http.base_url) as stranger:
        answer = stranger.request(method, url, json=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    if status == 403:
        assert "ordinary token may not register and retire plugins" in answer.json()["detail"]
    assert site.state() == before


def test_the_admin_token_does_all_that_the_ordinary_one_does(site: Site) -> None:
    assert site.http.get("/api/v1/info").status_code == 200
    assert site.http.get("/api/v1/info", headers=ORDINARY).status_code == 200
    assert site.http.post("/api/v1/projects", content=b" " * (2 << 20)).status_code == 413


def test_without_an_ordinary_token_the_admin_token_is_still_needed(
    serving: Any, tmp_path: Path
) -> None:
    with serving(tmp_path, token=None) as site:
        site.write_strategy("mine.py", name="mine")
        with httpx.Client(base_url=site.http.base_url) as stranger:
            assert stranger.get("/api/v1/info").status_code == 200
            assert stranger.post("/api/v1/plugins", json={"path": "mine.py"}).status_code == 401
            answer = stranger.delete("/api/v1/plugins/strategy/random", headers=ORDINARY)
            assert answer.status_code == 401
        assert site.register(path="mine.py").status_code == 201
