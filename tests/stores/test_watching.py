from __future__ import annotations

import errno
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from limner.stores import FolderStore, Watcher
from limner.stores.changes import MOST_PATHS, Changes, Ready

Put = Callable[..., Path]


@pytest.mark.usefixtures("watched")
def test_files_that_appear_change_and_vanish_are_told(told: Any, put: Put) -> None:
    path = put("a.png")
    told.until(lambda: told.calls == [{"a.png"}])
    put("a.png", b"longer than before")
    told.until(lambda: told.calls == [{"a.png"}] * 2)
    path.unlink()
    told.until(lambda: told.calls == [{"a.png"}] * 3)


@pytest.mark.usefixtures("watched")
def test_a_renamed_file_is_told_under_both_names(told: Any, put: Put, root: Path) -> None:
    path = put("ä b+c.nii.gz")
    told.until(lambda: told.paths == {"ä b+c.nii.gz"})
    path.rename(root / "new.nii.gz")
    told.until(lambda: told.paths == {"ä b+c.nii.gz", "new.nii.gz"})


@pytest.mark.usefixtures("watched")
def test_files_of_a_new_folder_are_found(told: Any, put: Put) -> None:
    put("p1/deep/a.nii.gz")
    told.until(lambda: None in told.calls or "p1/deep/a.nii.gz" in told.paths)
    told.until_all()
    count = len(told.calls)
    put("p1/deep/b.nii.gz")
    told.until(lambda: "p1/deep/b.nii.gz" in told.paths or None in told.calls[count:])


@pytest.mark.usefixtures("watched")
def test_a_renamed_or_removed_folder_means_look_at_all(told: Any, put: Put, root: Path) -> None:
    put("p1/a.png")
    told.until_all()
    (root / "p1").rename(root / "p2")
    told.until_all(2)
    shutil.rmtree(root / "p2")
    told.until_all(3)


@pytest.mark.usefixtures("watched")
def test_what_is_no_image_wakes_nobody(told: Any, put: Put) -> None:
    put("notes.txt")
    put(".hidden.png")
    put("a.png.tmp")
    put("z.png")
    told.until(lambda: bool(told.calls))
    assert told.calls == [{"z.png"}]


@pytest.mark.usefixtures("watched")
def test_reading_wakes_nobody(told: Any, put: Put) -> None:
    path = put("a.png")
    told.until(lambda: told.calls == [{"a.png"}])
    path.read_bytes()
    put("b.png")
    told.until(lambda: len(told.calls) > 1)
    assert told.calls == [{"a.png"}, {"b.png"}]


@pytest.mark.usefixtures("watched")
def test_the_companion_of_an_mhd_stands_for_it(told: Any, put: Put) -> None:
    put("a.mhd")
    told.until(lambda: told.calls == [{"a.mhd"}])
    put("a.raw", b"pixels")
    told.until(lambda: told.calls == [{"a.mhd"}] * 2)


@pytest.mark.usefixtures("watched")
def test_a_root_that_goes_and_comes_back_is_watched_again(told: Any, put: Put, root: Path) -> None:
    put("a.png")
    told.until(lambda: bool(told.calls))
    shutil.rmtree(root)
    told.until_all()
    root.mkdir()
    told.until_all(2)
    put("b.png")
    told.until(lambda: "b.png" in told.paths)


@pytest.mark.usefixtures("watched")
def test_a_root_that_is_replaced_is_watched_again(told: Any, put: Put, root: Path) -> None:
    other = root.with_name("other")
    other.mkdir()
    root.rename(root.with_name("old"))
    other.rename(root)
    told.until_all()
    put("b.png")
    told.until(lambda: "b.png" in told.paths)


def test_a_root_may_come_after_the_watcher(told: Any, tmp_path: Path) -> None:
    watcher = FolderStore(tmp_path / "later").watch(told)
    (tmp_path / "later").mkdir()
    told.until_all()
    (tmp_path / "later" / "a.png").touch()
    told.until(lambda: "a.png" in told.paths)
    watcher.stop()


def test_nothing_is_told_after_stop(told: Any, root: Path, put: Put) -> None:
    before = threading.active_count()
    watcher = FolderStore(root).watch(told)
    watcher.stop()
    watcher.stop()
    put("a.png")
    assert told.calls == []
    assert threading.active_count() <= before + 1  # the system's reader is shared


def test_a_listener_may_stop_its_watcher_and_may_fail(
    root: Path, put: Put, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[set[str] | None] = []
    done = threading.Event()

    def listen(paths: set[str] | None) -> None:
        calls.append(paths)
        if len(calls) == 1:
            raise ValueError("the listener's own mistake")
        watcher.stop()
        done.set()

    watcher = FolderStore(root).watch(listen)
    put("a.png")
    deadline = threading.Event()
    while not calls:
        deadline.wait(0.01)
    put("b.png")
    assert done.wait(10)
    assert "listens to a watched folder failed" in caplog.text
    watcher.stop()


@pytest.fixture
def polled(root: Path, told: Any) -> Iterator[Watcher]:
    watcher = FolderStore(root).watch(told, poll_s=0.02)
    assert watcher.is_polling
    yield watcher
    watcher.stop()


@pytest.mark.usefixtures("polled")
def test_polling_tells_the_same(told: Any, put: Put, root: Path) -> None:
    path = put("p/a.png")
    told.until(lambda: told.calls == [{"p/a.png"}])
    put("p/a.png", b"longer")
    told.until(lambda: told.calls == [{"p/a.png"}] * 2)
    path.unlink()
    told.until(lambda: told.calls == [{"p/a.png"}] * 3)


@pytest.mark.parametrize(
    ("code", "words", "limit"),
    [
        (errno.ENOSPC, "inotify watch limit reached", "max_user_watches"),
        (errno.EMFILE, "inotify instance limit reached", "max_user_instances"),
    ],
)
def test_where_the_system_cannot_watch_folders_are_polled(
    code: int,
    words: str,
    limit: str,
    told: Any,
    root: Path,
    put: Put,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    import watchdog.observers

    class Refuses(watchdog.observers.Observer):  # type: ignore[misc, valid-type]
        def start(self) -> None:
            raise OSError(code, words)

    monkeypatch.setattr(watchdog.observers, "Observer", Refuses)
    monkeypatch.setattr("limner.stores.watching._POLL_S", 0.02)
    watcher = FolderStore(root).watch(told)
    assert watcher.is_polling
    put("a.png")
    told.until(lambda: told.calls == [{"a.png"}])
    watcher.stop()
    assert words in caplog.text
    assert f"fs.inotify.{limit}" in caplog.text


def test_a_file_is_told_of_only_once_it_keeps_still() -> None:
    sizes = iter([(1, 1), (2, 2), (3, 3), (3, 3)])
    changes = Changes(lambda _: next(sizes))
    changes.note("a.png")
    for now in range(3):
        assert changes.ready(now) == Ready()
        changes.note("a.png")
    assert changes.ready(3) == Ready(paths=frozenset({"a.png"}))
    assert not changes.is_waiting


def test_a_change_during_a_look_is_told_later() -> None:
    sizes = iter([(1, 1), (1, 1), (2, 2), (2, 2)])

    def signature(_: str) -> tuple[int, int]:
        size = next(sizes)
        if looks == 1:
            changes.note("a.png")
        return size

    changes = Changes(signature)
    changes.note("a.png")
    told = []
    for looks in range(4):
        told.append(changes.ready(looks).paths)
    assert told == [frozenset(), frozenset({"a.png"}), frozenset(), frozenset({"a.png"})]


def test_looking_at_all_waits_for_quiet_but_not_for_ever() -> None:
    changes = Changes(lambda _: (1, 1), patience_s=5)
    changes.note_everything(0.0)
    assert changes.ready(0.2) == Ready()
    assert changes.ready(0.4) == Ready(everything=True)
    assert changes.ready(0.6) == Ready()
    for now in (10.0, 12.0, 14.0):
        changes.note_everything(now)
        assert changes.ready(now) == Ready()
    changes.note_everything(15.0)
    assert changes.ready(15.0) == Ready(everything=True)


def test_very_many_changes_mean_look_at_all() -> None:
    changes = Changes(lambda _: (1, 1))
    for number in range(MOST_PATHS + 1):
        changes.note(f"{number}.png")
    told = [changes.ready(now) for now in (0.0, 0.2, 0.4)]
    assert Ready(everything=True) in told
    assert not changes.is_waiting
