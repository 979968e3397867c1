"""Plugins while the server runs: registered, changed and retired, with real workers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from limner.plugin import Pool
from limner.records import audit
from limner.records import queue as queue_rows

# The fixtures' classes live in conftest.py, which cannot be imported.
Site = Any

PLUGINS = Path(__file__).parent.parent / "plugins"
POOL = Pool(ids=np.arange(4))
CHANGES = [
    ("POST", "/api/v1/plugins", {"path": "orders.py"}),
    ("DELETE", "/api/v1/plugins/strategy/random", None),
]


def first_pick(site: Site, name: str) -> str:
    """Say what stands first in a project's queue and why, without borrowing it."""
    with site.service.records.read() as tx:
        project = site.service.projects.named(tx, name)
        picked = queue_rows.first(tx, project.id, "ann", 1)
    return "" if picked is None else f"{picked.sample.name}: {picked.reason}"


def test_a_new_strategy_decides_the_order_at_once_and_a_changed_one_anew(
    site: Site, until: Callable[[Callable[[], Any]], Any]
) -> None:
    url = site.project("orders")
    until(lambda: first_pick(site, "orders").startswith("case0"))
    site.write_strategy("orders.py", name="orders", reverse=True)
    made = site.register(path="orders.py")
    assert made.status_code == 201
    assert made.json()["change"] == "registered"
    (item,) = made.json()["items"]
    assert (item["name"], item["kind"], item["state"], item["usable"]) == (
        "orders",
        "strategy",
        "active",
        True,
    )
    settings = {"strategy": "orders", "cold_start": "orders"}
    site.http.patch(url, json={"settings": settings}).raise_for_status()
    until(lambda: first_pick(site, "orders") == "case3: one")

    site.write_strategy("orders.py", name="orders", word="two")
    changed = site.register(path="orders.py")
    assert (changed.status_code, changed.json()["change"]) == (200, "changed")
    assert changed.json()["items"][0]["revision"] == item["revision"] + 1
    until(lambda: first_pick(site, "orders") == "case0: two")
    lent = site.http.post(f"{url}/next", json={"annotator": "ann"}).json()["assignment"]
    assert (lent["sample"]["name"], lent["reason"]) == ("case0", "two")

    before = site.state()
    again = site.register(path=str(site.folder / "orders.py"))
    assert (again.status_code, again.json()["change"]) == (200, "unchanged")
    assert again.json()["items"] == changed.json()["items"]
    assert site.state() == before
    with site.service.records.read() as tx:
        project = site.service.projects.named(tx, "orders")
        actions = [each.action for each in audit.page(tx, project.id, before=None, limit=50)]
    assert actions.count("plugin.changed") == 1
    refused = site.http.delete("/api/v1/plugins/strategy/orders")
    assert refused.status_code == 409
    assert refused.json()["problems"] == ["project 'orders' uses it as strategy and cold_start"]
    assert site.state() == before


def test_running_work_ends_on_the_code_it_began_with(
    site: Site, until: Any, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    site.write_strategy("gated.py", name="gated", word="old", gate=str(gate))
    site.register(path="gated.py").raise_for_status()
    engine = site.service.engine
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(engine.pick, "gated", POOL, 1, 0)
        try:
            until(gate.with_name("gate.began").exists)
            site.write_strategy("gated.py", name="gated", word="new")
            site.register(path="gated.py").raise_for_status()
            assert engine.pick("gated", POOL, 1, 0)[0].reason == "new"
            assert not running.done()
        finally:
            gate.touch()
        assert running.result(60)[0].reason == "old"


def test_a_package_folder_with_several_plugins_comes_and_goes_as_a_whole(site: Site) -> None:
    shutil.copytree(PLUGINS / "packaged_app", site.folder / "packaged_app")
    with (site.folder / "packaged_app" / "__init__.py").open("a") as file:
        file.write(
            "\nfrom dataclasses import replace\n"
            "manifests = (manifest, replace(manifest, name='packaged-too'))\n"
        )
    made = site.register(path="packaged_app")
    assert made.status_code == 201
    kinds = {(each["kind"], each["name"]) for each in made.json()["items"]}
    assert len(kinds) == 2
    assert kinds <= set(site.listed())
    cached = site.folder / "packaged_app" / "__pycache__"
    cached.mkdir(exist_ok=True)
    (cached / "stray.pyc").write_bytes(b"x")
    assert site.register(path="packaged_app").json()["change"] == "unchanged"
    with (site.folder / "packaged_app" / "words.py").open("a") as file:
        file.write("\nMORE = 1\n")
    changed = site.register(path="packaged_app").json()
    assert changed["change"] == "changed"
    assert {each["revision"] for each in changed["items"]} == {2}
    for kind, name in kinds:
        assert site.http.delete(f"/api/v1/plugins/{kind}/{name}").status_code == 204
        assert site.listed()[kind, name]["state"] == "retired"
    again = site.register(path="packaged_app")
    assert again.status_code == 201
    assert {each["revision"] for each in again.json()["items"]} == {3}


def test_an_installed_plugin_is_retired_and_registered_again_by_name(site: Site) -> None:
    assert site.register(name="random", kind="strategy").json()["change"] == "unchanged"
    assert site.http.delete("/api/v1/plugins/strategy/random").status_code == 204
    assert site.listed()["strategy", "random"]["state"] == "retired"
    unknown = {"cold_start": "random"}
    url = site.project("installed")
    assert site.http.patch(url, json={"settings": unknown}).status_code == 422
    made = site.register(name="random", kind="strategy")
    assert made.status_code == 201
    assert made.json()["items"][0]["usable"]
    assert site.http.patch(url, json={"settings": unknown}).status_code == 200
    assert site.service.engine.pick("random", POOL, 4, 0)


def test_two_at_the_same_instant_do_not_both_win(site: Site) -> None:
    site.write_strategy("twice.py", name="twice")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: site.register(path="twice.py"), range(4)))
    assert [each.status_code for each in answers].count(201) == 1
    assert {each.status_code for each in answers} <= {200, 201, 409}
    assert site.listed()["strategy", "twice"]["revision"] == 1


def test_what_was_registered_or_retired_survives_a_restart(serving: Any, tmp_path: Path) -> None:
    root = tmp_path
    with serving(root) as site:
        for name in ("stays", "breaks", "goes", "hangs"):
            site.write_strategy(f"{name}.py", name=name)
            site.register(path=f"{name}.py").raise_for_status()
        site.write_strategy("stays.py", name="stays", word="two")
        assert site.register(path="stays.py").json()["items"][0]["revision"] == 2
        for name in ("goes", "random"):
            site.http.delete(f"/api/v1/plugins/strategy/{name}").raise_for_status()
        project = site.project("orphan", strategy="breaks", cold_start="hangs")
    copies = {each.name: each for each in (root / "home" / "plugins").glob("*/*.py")}
    copies["breaks.py"].unlink()
    copies["hangs.py"].write_text("import os\nos._exit(5)\n")
    with serving(root) as site:
        listed = site.listed()
        assert listed["strategy", "stays"]["usable"]
        assert listed["strategy", "stays"]["revision"] == 2
        assert site.service.engine.pick("stays", POOL, 1, 0)[0].reason == "two"
        for name in ("goes", "random"):
            assert listed["strategy", name]["state"] == "retired"
        assert not listed["strategy", "breaks"]["usable"]
        for name in ("breaks", "hangs"):
            (problem,) = listed["strategy", name]["problems"]
            assert problem == "its copy in the home is gone or damaged; register it again"
        shown = site.http.get(project).raise_for_status().json()
        assert "strategy: The strategy 'breaks'" in shown["problems"][0]
        assert "cold_start: The strategy 'hangs'" in shown["problems"][1]
        # Found again elsewhere, it takes the place of the one that is gone.
        site.write_strategy("moved.py", name="breaks")
        site.register(path="moved.py").raise_for_status()
        assert site.listed()["strategy", "breaks"]["usable"]
        assert len(site.http.get(project).json()["problems"]) == 1
        assert site.register(path="hangs.py").json()["change"] == "registered"
        assert site.service.engine.pick("hangs", POOL, 1, 0)[0].reason == "one"
        assert not site.http.get(project).json()["problems"]
    with serving(root, plugin_folder=None, token=None, admin_token=None) as site:
        problems = site.listed()["strategy", "stays"]["problems"]
        assert "No plugin folder is set" in problems[0]
        for method, url, body in CHANGES:
            answer = site.http.request(method, url, json=body)
            assert answer.status_code == 403
            assert "no admin token is set; start with --admin-token" in answer.json()["detail"]
