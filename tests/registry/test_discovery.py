"""Discovery finds what is there, says what is wrong with it, and never raises."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from limner.errors import NotFound, PluginFailed
from limner.plugin import AppManifest, StrategyManifest
from limner.registry import APPS, STRATEGIES, Found, Registry, discover

PLUGINS = Path(__file__).parent.parent / "plugins"


def found_in(*names: str) -> list[Found]:
    """What discovery finds in plugin files, installed plugins left out."""
    found = discover([PLUGINS / name for name in names])
    return [each for each in found if each.source.path is not None]


def write_strategy(path: Path, name: str, word: str = "one") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "from limner.plugin import StrategyManifest\n"
        f"WORD = {word!r}\n"
        f"manifest = StrategyManifest(name={name!r}, version=WORD, factory=':Made',\n"
        "    needs=frozenset(), title='t', licence='MIT')\n"
    )
    return path


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, *points: str) -> None:
    """Make a fake installed distribution with entry points of the form `group name=value`."""
    info = folder / "stranger-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    lines = [f"[{group}]\n{line}" for group, line in (point.split(" ", 1) for point in points)]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(folder))


def test_the_bundled_plugins_are_found_by_entry_points() -> None:
    registry = Registry()
    assert isinstance(registry.app("segmentation"), AppManifest)
    for name in ("entropy", "first", "random"):
        assert isinstance(registry.strategy(name), StrategyManifest)
    assert all(each.is_usable for each in registry.found)


def test_a_file_plugin_is_found_with_its_manifest() -> None:
    (tiny,) = found_in("tiny_app.py")
    assert tiny.is_usable
    assert tiny.source.group == APPS
    assert tiny.source.name == "tiny"
    assert tiny.source.location == str(PLUGINS / "tiny_app.py")


def test_a_folder_stands_for_every_plugin_in_it_whatever_is_broken() -> None:
    found = [each for each in discover([PLUGINS]) if each.source.path is not None]
    names = {each.source.name: each.is_usable for each in found}
    assert names["tiny"]
    assert names["packaged"]
    assert not names["raises_on_import"]
    assert not names["exits_on_import"]
    assert not names["From The Future"]


def test_one_file_may_hold_several_plugins() -> None:
    found = found_in("misfits.py")
    assert {each.source.group for each in found} == {APPS, STRATEGIES}
    assert len(found) == 9
    assert all(each.is_usable for each in found)


@pytest.mark.parametrize(
    ("name", "group", "problem"),
    [
        (
            "raises_on_import",
            APPS,
            "importing it failed: RuntimeError: the licence server is away "
            "(raises_on_import.py, line 7)",
        ),
        (
            "exits_on_import",
            STRATEGIES,
            "importing it failed: SystemExit: 7 (exits_on_import.py, line 9)",
        ),
        ("no_manifest", APPS, "no_manifest.py defines neither 'manifest' nor 'manifests'"),
        (
            "not_a_manifest",
            APPS,
            "its manifest is a dict, not an AppManifest or a StrategyManifest",
        ),
    ],
)
def test_a_broken_file_is_listed_with_what_is_wrong(name: str, group: str, problem: str) -> None:
    (found,) = found_in(f"{name}.py")
    assert found.manifest is None
    assert found.source.group == group
    assert list(found.problems) == [problem]


def test_every_problem_of_a_manifest_is_listed() -> None:
    (found,) = found_in("wrong_contract.py")
    said = "\n".join(found.problems)
    assert len(found.problems) == 6
    for part in (
        "made for contract 2.0",
        "From The Future",
        "'nowhere'",
        "version is empty",
        "[4]",
    ):
        assert part in said
    assert "option depth: the default 9 is above 5" in said


def test_a_manifest_with_fields_of_wrong_types_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "odd.py"
    path.write_text(
        "from limner.plugin import StrategyManifest\n"
        "manifest = StrategyManifest(name='odd', version='1', factory=':A', needs=5, title='t',\n"
        "    licence='MIT')\n"
    )
    (found,) = [each for each in discover([path]) if each.source.path]
    assert "its manifest cannot be read: TypeError" in found.problems[0]


def test_paths_that_hold_no_plugin_are_listed(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "empty").mkdir()
    given = [tmp_path / "nowhere.py", tmp_path / "notes.txt", tmp_path / "empty"]
    found = [each for each in discover(given) if each.source.path]
    assert ["There is no file" in f.problems[0] for f in found] == [True, False, False]
    assert "is no Python file" in found[1].problems[0]
    assert "holds no plugin" in found[2].problems[0]


def test_the_later_of_two_plugins_of_one_name_has_a_problem(tmp_path: Path) -> None:
    first = write_strategy(tmp_path / "a" / "mine.py", "mine", "first")
    second = write_strategy(tmp_path / "b" / "mine.py", "mine", "second")
    registry = Registry([first, second])
    assert registry.strategy("mine").version == "first"
    (broken,) = [each for each in registry.found if each.problems]
    assert broken.source.location == str(second)
    assert broken.problems == (f"another strategy is called 'mine' already: {first}",)


def test_files_of_one_name_in_two_folders_do_not_collide(tmp_path: Path) -> None:
    paths = [write_strategy(tmp_path / name / "plugin.py", name, name) for name in ("one", "two")]
    registry = Registry(paths)
    assert [registry.strategy(name).version for name in ("one", "two")] == ["one", "two"]


def test_a_path_given_twice_is_one_plugin(tmp_path: Path) -> None:
    path = write_strategy(tmp_path / "mine.py", "mine")
    registry = Registry([path, tmp_path, path])
    assert [each.source.name for each in registry.found].count("mine") == 1
    assert registry.strategy("mine").name == "mine"


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = write_strategy(tmp_path / "mine.py", "mine", "before")
    assert Registry([path]).strategy("mine").version == "before"
    write_strategy(path, "mine", "afterwards")
    assert Registry([path]).strategy("mine").version == "afterwards"


def test_discovery_leaves_the_import_path_alone() -> None:
    before = list(sys.path)
    discover([PLUGINS])
    assert sys.path == before
    assert not any(type(each).__module__.startswith("limner") for each in sys.meta_path)


def test_a_package_folder_named_like_an_installed_package_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "numpy"
    write_strategy(folder / "__init__.py", "shadow")
    (found,) = [each for each in discover([folder]) if each.source.path]
    assert "another package is called 'numpy' already; rename the folder" in found.problems[0]


def test_two_package_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    shutil.copytree(PLUGINS / "packaged_app", tmp_path / "packaged_app")
    found = [e for e in discover([PLUGINS / "packaged_app", tmp_path]) if e.source.path]
    assert [each.is_usable for each in found] == [True, False]
    assert "rename the folder" in found[1].problems[0]


def test_installed_strangers_are_found_whether_broken_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_strategy(tmp_path / "stranger_good.py", "good")
    (tmp_path / "stranger_plain.py").write_text("manifest = 'a manifest'\n")
    install(
        tmp_path,
        monkeypatch,
        "limner.strategies good = stranger_good:manifest",
        "limner.strategies.unknown x = y:z",
        "limner.apps misplaced = stranger_good:manifest",
        "limner.apps plain = stranger_plain:manifest",
        "limner.apps nothing = stranger_plain:other",
        "limner.apps gone = stranger_is_gone:manifest",
    )
    registry = Registry()
    assert registry.strategy("good").name == "good"
    problems = {each.source.name: " ".join(each.problems) for each in registry.found}
    assert "is a StrategyManifest, but it is listed in limner.apps" in problems["misplaced"]
    assert "its manifest is a str" in problems["plain"]
    assert "stranger_plain has no 'other'" in problems["nothing"]
    assert "ModuleNotFoundError: No module named 'stranger_is_gone'" in problems["gone"]
    assert registry.app("segmentation").name == "segmentation"


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match=r"no strategy 'best'; there are: .*first, .*random"):
        Registry().strategy("best")


def test_a_broken_plugin_is_refused_with_all_its_problems() -> None:
    registry = Registry([PLUGINS / "wrong_contract.py"])
    with pytest.raises(PluginFailed, match=r"contract 2\.0.*; version is empty"):
        registry.app("From The Future")


def test_problems_found_later_make_a_plugin_unusable() -> None:
    registry = Registry([PLUGINS / "tiny_app.py", PLUGINS / "tiny_strategy.py"])
    source = registry.source(APPS, "tiny")
    registry.note_problems(source, [])
    assert registry.source(APPS, "tiny") == source
    for _ in range(2):
        registry.note_problems(source, ["it hangs"])
    with pytest.raises(PluginFailed, match=r"cannot be used: it hangs$"):
        registry.source(APPS, "tiny")
    assert registry.strategy("tiny").name == "tiny"
