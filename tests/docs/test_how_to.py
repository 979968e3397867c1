"""The how-to pages for plugin authors are followed word for word.

What the test does with the blocks of a page, in their order:

| block | what is done |
| --- | --- |
| `sh` | run in the folder where the one before it ended; it must succeed |
| `sh title="leave it running"` | a server: started; ended when the next starts, or the page ends |
| `python` or `toml` with a file's name as title, file not there | written |
| `python` likewise, file there | each definition replaces that of the same name in it |
| `toml` likewise, file there | each line is set in its section |
| `text` | every line must be in the output of the `sh` block before it, in order; `…` is anything |

Nothing else is replaced, but for the port: where a page says 127.0.0.1:8000, a free one is taken.
`limner`, `python`, `pytest` and `pip` are those of an environment of the page's own, which sees the
libraries of this one; nothing is downloaded.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import tomllib
import urllib.request
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.conftest import absent

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("write-an-app.md", "write-a-strategy.md")
SERVER = "leave it running"
FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SNIPPET = re.compile(r'^--8<-- "([^"]+)"$', re.MULTILINE)


@dataclass(frozen=True)
class Block:
    kind: str
    title: str
    text: str


def blocks_of(page: str) -> Iterator[Block]:
    """Every fenced block, with the files that it includes."""
    assert page.count("\n```") == 2 * len(FENCE.findall(page)), "a fence is not understood"
    for kind, title, text in FENCE.findall(page):
        whole = SNIPPET.sub(lambda found: (DOCS / found[1]).read_text().rstrip(), text)
        yield Block(kind, title, whole)


class Reader:
    """Somebody who does what a page says."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "environment"
        self.place = folder / "work"
        self.place.mkdir()
        self.output = ""
        self.port = free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self._log = folder / "server.txt"
        make_environment(self.home)
        self._variables = {
            "PATH": f"{self.home / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder),
            "COLUMNS": "200",
            "NO_COLOR": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def follow(self, page: str) -> None:
        """Do all of it, and leave no server behind."""
        try:
            for block in blocks_of(page):
                self._do(block)
        finally:
            code = self._stop()
        assert code in (None, 0), f"the server ended with code {code}: {self._log.read_text()}"

    def _do(self, block: Block) -> None:
        text = block.text.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")
        if block.kind == "sh" and block.title == SERVER:
            self._serve(text)
        elif block.kind == "sh":
            assert not block.title
            self._run(text)
        elif block.kind == "text":
            compare(text, self.output)
        else:
            assert block.title, f"a block of {block.kind} names no file:\n{text}"
            apply(block.kind, text, self.place / block.title)

    def _run(self, commands: str) -> None:
        ended = self.home / "ended-in"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{commands}\npwd > '{ended}'"],
            cwd=self.place,
            env=self._variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        self.output = done.stdout
        assert done.returncode == 0, f"{commands}\nfailed:\n{done.stdout[-3000:]}"
        self.place = Path(ended.read_text().strip())

    def _serve(self, command: str) -> None:
        assert self._stop() in (None, 0)
        told = command.replace(
            "limner serve ", f"exec limner serve --stop-with-stdin --port {self.port} "
        )
        assert told != command, f"no server is started by {command}"
        with self._log.open("wb") as log:
            self._server = subprocess.Popen(
                ["bash", "-euc", told],
                cwd=self.place,
                env=self._variables,
                stdin=subprocess.PIPE,  # ends with this process, and the server with it
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while not self._has_looked_at_its_images():
            assert self._server.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.05)

    def _has_looked_at_its_images(self) -> bool:
        """Whether it is where a person would find it after some seconds."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/api/v1/projects", timeout=5
            ) as answer:
                projects = json.load(answer)["items"]
        except OSError:
            return False
        return bool(projects) and all(
            each["counts"]["samples"] == len(list(Path(each["images"]).iterdir()))
            for each in projects
        )

    def _stop(self) -> int | None:
        server, self._server = self._server, None
        if server is None:
            return None
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        if server.stdin is not None:
            server.stdin.close()
        return server.returncode


def make_environment(folder: Path) -> None:
    """Make an environment that sees the libraries of this one, editable ones too."""
    venv.create(folder, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    libraries = sysconfig.get_path("purelib")
    line = f"import site; site.addsitedir({libraries!r})\n"
    (folder / "lib" / version / "site-packages" / "ours.pth").write_text(line)
    modules = {"limner": "limner.cli", "pytest": "pytest -p no:cacheprovider", "pip": "pip"}
    for name, module in modules.items():
        script = folder / "bin" / name
        # What is installed is here already, and nothing may be fetched.
        offline = 'if [ "$1" = install ]; then shift; set -- install --quiet --no-index '
        offline += '--no-build-isolation "$@"; fi\n' if name == "pip" else ""
        start = offline if name == "pip" else ""
        script.write_text(f'#!/bin/sh\n{start}exec "{folder}/bin/python" -P -m {module} "$@"\n')
        script.chmod(0o755)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def apply(kind: str, text: str, file: Path) -> None:
    """Do to a file what a block says."""
    if not file.exists():
        file.write_text(text)
    elif kind == "python":
        file.write_text(with_definitions(file.read_text(), text))
    elif kind == "toml":
        file.write_text(with_lines(file.read_text(), text))
    else:
        raise AssertionError(f"{file.name} is there, and a block of {kind} cannot change it")


def with_definitions(module: str, given: str) -> str:
    """Replace the definitions of a module by those given of the same name; imports are added."""
    for node in ast.parse(given).body:
        text = "\n".join(given.splitlines()[node.lineno - 1 : node.end_lineno])
        if isinstance(node, ast.Import | ast.ImportFrom):
            after = next(each for each in ast.parse(module).body if is_import(each, last=module))
            lines = module.splitlines()
            lines.insert(after.end_lineno or 0, text)
        else:
            old = {name_of(each): each for each in ast.parse(module).body}.get(name_of(node))
            assert old is not None, f"the file has no {name_of(node)} to be replaced"
            lines = module.splitlines()
            lines[old.lineno - 1 : old.end_lineno] = text.splitlines()
        module = "\n".join(lines) + "\n"
    return module


def is_import(node: ast.stmt, *, last: str) -> bool:
    """Whether a statement is the last import of a module."""
    imports = [
        each for each in ast.parse(last).body if isinstance(each, ast.Import | ast.ImportFrom)
    ]
    return bool(imports) and node.lineno == imports[-1].lineno


def name_of(node: ast.stmt) -> str:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return f"line {node.lineno}"


def with_lines(table: str, given: str) -> str:
    """Set keys of a TOML file, each in its section, which must be there with that key."""
    section = ""
    for line in given.splitlines():
        if line.startswith("["):
            section = line
            continue
        if not line.strip():
            continue
        head, found, rest = table.partition(f"{section}\n")
        assert found, f"the file has no section {section}"
        body, more, tail = rest.partition("\n[")
        key = line.partition("=")[0].strip()
        body, count = re.subn(rf"(?m)^{re.escape(key)} = .*$", line.replace("\\", r"\\"), body)
        assert count == 1, f"{section} has {count} lines {key}"
        table = head + found + body + more + tail
    tomllib.loads(table)
    return table


def compare(shown: str, output: str) -> None:
    """Find every line shown in an output, in order; blanks do not count, `…` is anything."""
    lines = [" ".join(line.split()) for line in output.splitlines()]
    for line in shown.splitlines():
        wanted = ".*".join(map(re.escape, " ".join(line.split()).split("…")))
        while lines and not re.fullmatch(wanted, lines[0]):
            lines.pop(0)
        assert lines, f"the page shows {line!r}, which did not come; the output was:\n{output}"
        lines.pop(0)


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_works_as_it_stands(page: str, tmp_path: Path) -> None:
    missing = [name for name in ("bash", "curl") if shutil.which(name) is None]
    missing += [
        name for name in ("editables", "hatchling", "pip", "scipy") if find_spec(name) is None
    ]
    if missing:
        absent(f"{', '.join(missing)} must be installed to follow the pages.")
    Reader(tmp_path).follow((DOCS / "how-to" / page).read_text())


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("```sh\nlimner frobnicate\n```\n", "No such command"),
        ("```sh\nfalse | cat\n```\n", "failed"),
        ("```sh\necho one\n```\n\n```text\ntwo\n```\n", "shows 'two'"),
        ("```sh\necho 1; echo 2\n```\n\n```text\n2\n1\n```\n", "shows '1'"),
        ('```python title="a.py"\na = 1\n```\n\n```python title="a.py"\nb = 1\n```\n', "has no b"),
        ('```toml title="a"\n[a]\nb = 1\n```\n\n```toml title="a"\n[a]\nc = 1\n```\n', "0 lines c"),
        ("```python\na = 1\n```\n", "names no file"),
        ('```sh title="leave it running"\nlimner serve absent --labels a\n```\n', "no folder"),
        ("```sh\necho\n", "a fence is not understood"),
    ],
    ids=["command", "pipe", "output", "order", "definition", "key", "nameless", "server", "fence"],
)
def test_a_page_that_does_not_work_is_caught(page: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=re.escape(words)):
        Reader(tmp_path).follow("\n" + page)


def test_the_words_of_a_page_change_the_files_as_it_says(tmp_path: Path) -> None:
    page = (
        '\n```python title="a.py"\nimport os\n\nA = 1\n\n\ndef f():\n    return A\n```\n'
        '\n```python title="a.py"\nimport sys\n\nA = 2\n```\n'
        '\n```toml title="a.toml"\n[x]\ny = 1\n\n[z]\ny = 1\n```\n'
        '\n```toml title="a.toml"\n[z]\ny = 2\n```\n'
        "\n```sh\nmkdir deep\ncd deep\n```\n"
        "\n```sh\ncd ..\npython -c 'import a; print(a.f(), a.sys.byteorder)'\n```\n"
        "\n```text\n2 …\n```\n"
    )
    Reader(tmp_path).follow(page)
    assert tomllib.loads((tmp_path / "work" / "a.toml").read_text()) == {
        "x": {"y": 1},
        "z": {"y": 2},
    }
