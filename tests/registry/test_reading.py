"""Files are read by child processes: whatever they do, this process goes on and says it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from limner.errors import PluginFailed, StorageFull
from limner.plugin import AppManifest, Option, PromptKind, StrategyManifest
from limner.registry import APPS, Registry, digest_of_path, inspect_plugins, read_copies, read_paths
from limner.registry.plain import manifest_from, plain_manifest

PLUGINS = Path(__file__).parent.parent / "plugins"

MANIFEST = """
from limner.plugin import AppManifest, StrategyManifest, Task
manifest = StrategyManifest(name="mine", version="1", factory=":A", needs={needs}, title="t",
    licence="MIT")
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.py"
    path.write_text(text)
    return path


def test_plugins_are_not_imported_in_this_process() -> None:
    code = (
        "import sys; from pathlib import Path; from limner.registry import Registry\n"
        "registry = Registry([Path(each) for each in sys.argv[1:]])\n"
        "print(registry.app('tiny').name, registry.strategy('packaged').name)\n"
        "print([name for name in sys.modules if name.startswith(('limner_plugin_', 'packaged'))])"
    )
    paths = [str(PLUGINS / name) for name in ("tiny_app.py", "packaged_app")]
    done = subprocess.run(
        [sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split("\n")[:2] == ["tiny packaged", "[]"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "import os; os._exit(3)",
            "importing it ended its process with code 3; last words: nothing",
        ),
        ("import os; print('gone', flush=True); os._exit(4)", "with code 4; last words: gone"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "ended its process with code -11",
        ),
        ("while True: pass", "importing it did not end within 2 s"),
        ("while True: print('x' * 1000)", "importing it did not end within 2 s"),
        ("import os\nwhile True: os.write(1, b'x' * 1000)", "importing it did not end within 2 s"),
        ("def f(): f()\nf()", "importing it failed: RecursionError"),
        ("manifest = (", "importing it failed: SyntaxError"),
        (MANIFEST.format(needs="frozenset({object()})"), "needs holds a object"),
        (MANIFEST.format(needs="[[1]]"), "TypeError: needs is [1], not a set of words"),
        (MANIFEST.format(needs="()") + "manifests = 3", "manifests in mine.py is a int"),
        (MANIFEST.format(needs="()").replace('"1"', "1"), "TypeError: version is 1, not text"),
    ],
)
def test_whatever_a_module_does_is_said(
    tmp_path: Path, text: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text.startswith("while") or "while" in text:
        monkeypatch.setattr("limner.registry.reading.READ_TIMEOUT_S", 2.0)
    (found,) = read_paths([written(tmp_path, text)])
    assert not found.is_usable
    assert problem in " ".join(found.problems)


def test_what_a_module_leaves_behind_does_not_hold_up_its_manifest(tmp_path: Path) -> None:
    text = MANIFEST.format(needs="()") + (
        "import atexit, subprocess, sys, threading, time\n"
        "atexit.register(time.sleep, 30)\n"
        "threading.Thread(target=time.sleep, args=(30,)).start()\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)'])\n"
        "print('much to say ' * 100_000)\n"
    )
    began = time.monotonic()
    (found,) = read_paths([written(tmp_path, text)])
    assert found.is_usable
    assert time.monotonic() - began < 15


def test_a_broken_start_plugin_keeps_nothing_else_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.registry.reading.READ_TIMEOUT_S", 4.0)
    (tmp_path / "ends.py").write_text("import os\nos._exit(3)\n")
    (tmp_path / "hangs.py").write_text("import time\ntime.sleep(600)\n")
    registry = Registry([tmp_path, PLUGINS / "tiny_app.py"])
    assert registry.app("tiny").name == "tiny"
    broken = {each.source.name: each.problems for each in registry.found if each.problems}
    assert set(broken) == {"ends", "hangs"}


@pytest.mark.parametrize("python", ["~nobody-at-all/bin/python", "a" * 5000])
def test_a_python_that_no_system_can_find_is_said(tmp_path: Path, python: str) -> None:
    text = MANIFEST.format(needs="()").replace('licence="MIT"', f'licence="MIT", python="{python}"')
    file = written(tmp_path, text)
    (found,) = read_paths([file])
    assert not found.is_usable
    assert "its Python interpreter" in " ".join(found.problems)


def test_links_in_a_circle_are_said(tmp_path: Path) -> None:
    folder = tmp_path / "circle"
    shutil.copytree(PLUGINS / "packaged_app", folder)
    (folder / "loop").symlink_to("loop")
    with pytest.raises(PluginFailed, match="lead in a circle"):
        digest_of_path(folder)
    assert all(each.is_usable for each in read_paths([folder]))  # it is run where it lies


def test_a_manifest_comes_back_as_it_was() -> None:
    app = Registry([PLUGINS / "tiny_app.py"]).app("tiny")
    assert manifest_from(plain_manifest(app)) == app
    assert type(app.task).__name__ == "Task"
    option = Option(default=[1, {"a": None}], help="h", choices=(1, 2.5, "x"), minimum=0, maximum=9)
    made = AppManifest(
        name="a",
        version="1",
        factory=":A",
        task="unknown-task",  # type: ignore[arg-type]
        dimensions=frozenset({2, 3}),
        abilities=frozenset({"train", "fly"}),
        prompts=frozenset({PromptKind.POINTS, "words"}),  # type: ignore[arg-type]
        title="t",
        licence="MIT",
        max_classes=3,
        options={"one": option},
        python="bin/python",
    )
    assert manifest_from(plain_manifest(made)) == made
    strategy = StrategyManifest(
        name="s", version="1", factory=":A", needs=frozenset(), title="t", licence="MIT"
    )
    assert manifest_from(plain_manifest(strategy)) == strategy


def test_kinds_of_prompt_cross_as_what_they_are() -> None:
    registry = Registry([PLUGINS / "clicking.py"])
    assert registry.app("clicking").prompts == frozenset(PromptKind)
    assert {type(each) for each in registry.app("clicking").prompts} == {PromptKind}
    assert registry.source(APPS, "clicking").path == PLUGINS / "clicking.py"


def test_a_manifest_that_was_written_before_there_were_prompts_is_read() -> None:
    app = Registry([PLUGINS / "tiny_app.py"]).app("tiny")
    data = plain_manifest(app)
    del data["fields"]["prompts"]
    assert manifest_from(data) == app


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", 3, "name is 3, not text"),
        ("dimensions", [True], "not a set of whole numbers"),
        ("options", {"a": 1}, "option a is 1, not an Option"),
        ("prompts", "points", "prompts is 'points', not a set of words"),
        ("max_classes", "many", "max_classes is 'many', not a whole number"),
        ("more", 1, "more is no field of a manifest"),
        ("title", None, "title is None, not text"),
    ],
)
def test_data_that_is_no_manifest_is_refused(field: str, value: object, words: str) -> None:
    data = plain_manifest(Registry([PLUGINS / "tiny_app.py"]).app("tiny"))
    data["fields"][field] = value
    with pytest.raises(TypeError, match=words):
        manifest_from(data)


def test_a_manifest_of_a_python_beside_the_file_is_resolved(tmp_path: Path) -> None:
    text = MANIFEST.format(needs="()").replace('title="t"', 'title="t", python="env/bin/python"')
    (found,) = read_paths([written(tmp_path, text)])
    assert found.source.python == str(tmp_path / "env/bin/python")
    assert "is no program" in found.problems[0]


def test_a_copy_has_its_python_beside_the_original(tmp_path: Path) -> None:
    text = MANIFEST.format(needs="()").replace('title="t"', 'title="t", python="env/bin/python"')
    places = [tmp_path / "mine.py", tmp_path / "packaged"]
    copies = {place: tmp_path / "copies" / place.name for place in places}
    (tmp_path / "copies" / "packaged").mkdir(parents=True)
    (tmp_path / "copies" / "mine.py").write_text(text)
    (tmp_path / "copies" / "packaged" / "__init__.py").write_text(text)
    file, package = read_copies(copies)  # the originals are gone
    assert file.source.python == str(tmp_path / "env/bin/python")
    assert package.source.python == str(tmp_path / "packaged/env/bin/python")
    assert file.source.location == str(tmp_path / "mine.py")


def test_a_copy_goes_before_its_original_on_the_import_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, title in (("there", "original"), ("copies", "copy")):
        (tmp_path / place / "upon_path").mkdir(parents=True)
        text = MANIFEST.format(needs="frozenset()").replace(
            'title="t"', "title=upon_path.words.TITLE"
        )
        text = text.replace(":A", "upon_path.words:Made")
        (tmp_path / place / "upon_path" / "__init__.py").write_text("import upon_path.words" + text)
        (tmp_path / place / "upon_path" / "words.py").write_text(
            f"TITLE = {title!r}\nclass Made:\n    def pick(self, pool, count, seed): ..."
        )
    monkeypatch.syspath_prepend(tmp_path / "there")
    original, copy = (tmp_path / place / "upon_path" for place in ("there", "copies"))
    (found,) = read_copies({original: copy})
    assert found.manifest is not None
    assert found.manifest.title == "copy"
    assert inspect_plugins([found]) == {("limner.strategies", "mine"): []}
    (found,) = read_copies({tmp_path / "elsewhere": copy})
    assert "another package is called 'upon_path' already" in found.problems[0]


def test_a_package_that_runs_where_it_lies_may_hold_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.registry.code_state.MOST_BYTES", 10)
    place = written(tmp_path, MANIFEST.format(needs="frozenset()"))
    (found,) = read_paths([place])
    assert found.is_usable
    (found,) = read_copies({place: place})
    assert "holds more than" in found.problems[0]


def test_no_child_is_started_where_no_path_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limner.registry.reading.ask_child", None)
    assert Registry().app("segmentation").name == "segmentation"
    assert all(each.source.path is None for each in Registry().found)


def test_problems_of_a_plugin_that_was_replaced_are_not_noted() -> None:
    registry = Registry([PLUGINS / "tiny_app.py"])
    (old,) = [each for each in registry.found if each.source.name == "tiny"]
    (new,) = read_paths([PLUGINS / "tiny_app.py"])
    with registry.changing() as swap:
        swap([old], [])
    registry.note_problems(old.source, ["too late"])
    assert registry.find(APPS, "tiny") is None
    with registry.changing() as swap:
        swap([], [new])
    registry.note_problems(new.source, ["in time"])
    found = registry.find(APPS, "tiny")
    assert found is not None
    assert found.problems == ("in time",)


def test_a_change_that_fails_is_taken_back() -> None:
    registry = Registry([PLUGINS / "tiny_app.py"])
    before = registry.found
    with suppress(StorageFull), registry.changing() as swap:
        swap(before, [])
        raise StorageFull("The disk is full.")
    assert registry.found is before
