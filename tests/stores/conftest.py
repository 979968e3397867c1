"""Folders of tiny files, and waiting for a watcher without sleeping for a guess."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limner.settings import Limits
from limner.stores import Entry, FolderStore, Problem


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


@pytest.fixture
def put(root: Path) -> Callable[..., Path]:
    """Write a file below the root, with the folders above it."""

    def write(name: str, data: bytes = b"x") -> Path:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def look(root: Path) -> Callable[..., tuple[dict[str, tuple[str, ...]], dict[str, str]]]:
    """Scan the root: files by sample, and problems by path."""

    def scan(*folders: str) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
        found = list(FolderStore(root).scan(folders or None))
        entries = [each for each in found if isinstance(each, Entry)]
        problems = {each.path: each.problem for each in found if isinstance(each, Problem)}
        samples = {each.name: each.files for each in entries}
        assert len(samples) == len(entries), "every name is yielded once"
        return samples, problems

    return scan


class Told:
    """What a watcher told, in order."""

    def __init__(self) -> None:
        self.calls: list[set[str] | None] = []
        self._changed = threading.Condition()

    def __call__(self, paths: set[str] | None) -> None:
        with self._changed:
            self.calls.append(paths)
            self._changed.notify_all()

    @property
    def paths(self) -> set[str]:
        return set().union(*(call for call in self.calls if call is not None))

    def until(self, condition: Callable[[], bool], timeout_s: float = 10) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, timeout_s), f"told only {self.calls}"

    def until_all(self, count: int = 1) -> None:
        """Wait until all was to be looked at so many times."""
        self.until(lambda: self.calls.count(None) >= count)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def watched(root: Path, told: Told) -> Iterator[FolderStore]:
    """A store whose changes are told to `told`."""
    store = FolderStore(root)
    watcher = store.watch(told)
    assert not watcher.is_polling
    yield store
    watcher.stop()


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Wait for a condition that nothing announces."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)

    return wait
