"""Workers make plugins from their sources, or hear everything that keeps them from it."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from limner.errors import PluginFailed
from limner.plugin import App, Pool, Trains
from limner.registry import APPS, STRATEGIES, PluginSource, Registry, make_app, make_strategy

PLUGINS = Path(__file__).parent.parent / "plugins"


def misfit(name: str) -> PluginSource:
    group = STRATEGIES if name in ("shy", "chatty") else APPS
    return PluginSource(group, name, str(PLUGINS / "misfits.py"))


def test_an_app_is_made_from_a_source_that_was_sent_to_another_process() -> None:
    source = Registry([PLUGINS / "tiny_app.py"]).source(APPS, "tiny")
    app = make_app(pickle.loads(pickle.dumps(source)))  # noqa: S301 - our own bytes
    assert isinstance(app, App)
    assert isinstance(app, Trains)


def test_installed_strategies_are_made() -> None:
    registry = Registry()
    pool = Pool(ids=np.arange(5))
    for name in ("entropy", "first", "random"):
        assert len(make_strategy(registry.source(STRATEGIES, name)).pick(pool, 3, 0)) == 3


def test_parts_of_a_package_folder_import_each_other() -> None:
    source = Registry([PLUGINS / "packaged_app"]).source(STRATEGIES, "packaged")
    (pick,) = make_strategy(source).pick(Pool(ids=np.arange(5)), 1, 0)
    assert pick.reason == "the package said so"


@pytest.mark.parametrize(
    ("name", "problems"),
    [
        (
            "incomplete",
            [
                r"Incomplete has no method train\(request, watch\)",
                r"IncompleteModel\.predict does not take .* predict\(image, request\)",
                r"IncompleteModel has no method describe\(image, request\)",
                r"IncompleteModel\.evaluate is a coroutine",
                r"IncompleteModel has no method prompt\(image, prompts, request\)",
            ],
        ),
        ("fails", [r"factory :fails failed: KeyError: 'settings.ini' \(misfits.py, line \d+\)"]),
        ("demanding", ["missing 1 required positional argument: 'licence_key'"]),
        ("absent", ["has no attribute 'Absent'"]),
        ("elsewhere", ["No module named 'no_such_package_anywhere'"]),
    ],
)
def test_an_app_that_cannot_be_made_says_everything(name: str, problems: list[str]) -> None:
    for problem in problems:
        with pytest.raises(PluginFailed, match=problem):
            make_app(misfit(name))


def test_a_strategy_with_other_parameters_is_refused() -> None:
    with pytest.raises(PluginFailed, match=r"Shy\.pick does not take the parameters of pick"):
        make_strategy(misfit("shy"))


def test_a_source_whose_file_fails_or_is_gone_is_refused(tmp_path: Path) -> None:
    broken = PluginSource(APPS, "x", str(PLUGINS / "exits_on_import.py"))
    with pytest.raises(PluginFailed, match="cannot be imported: SystemExit: 7"):
        make_app(broken)
    with pytest.raises(PluginFailed, match="cannot be imported: FileNotFoundError"):
        make_app(PluginSource(APPS, "x", str(tmp_path / "gone.py")))


def test_a_name_that_the_file_no_longer_holds_is_refused() -> None:
    with pytest.raises(PluginFailed, match="holds no app called 'other' any more"):
        make_app(PluginSource(APPS, "other", str(PLUGINS / "tiny_app.py")))
