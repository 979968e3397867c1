"""The database: one writer at a time, readers that never wait, and errors in our own words."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from limner.errors import RecordsBusy, SettingsError, StorageFull
from limner.records import audit
from limner.records.database import FILE_NAME, Records


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    home = tmp_path_factory.mktemp("empty")
    Records.open(home).close()
    return (home / FILE_NAME).read_bytes()


@pytest.fixture
def records(tmp_path: Path, empty: bytes) -> Iterator[Records]:
    (tmp_path / FILE_NAME).write_bytes(empty)
    opened = Records.open(tmp_path, wait_s=0.2)
    yield opened
    opened.close()


def note(records: Records, action: str, size: int = 1) -> None:
    with records.write() as tx:
        audit.write(
            tx,
            at=0,
            project_id=None,
            actor="a",
            action=action,
            subject="s",
            details={"x": "y" * size},
        )


def noted(records: Records) -> list[str]:
    with records.read() as tx:
        return list(tx.execute(text("SELECT action FROM audit ORDER BY id")).scalars())


@pytest.mark.parametrize("way", ["read", "write"])
def test_every_connection_is_durable_and_checks_references(records: Records, way: str) -> None:
    with getattr(records, way)() as tx:
        told = [
            tx.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert told == ["wal", 2, 1, 200]


def test_a_write_that_fails_leaves_nothing(records: Records) -> None:
    def fail() -> None:
        with records.write() as tx:
            audit.write(tx, at=0, project_id=None, actor="a", action="lost", subject="s")
            raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        fail()
    assert noted(records) == []
    note(records, "kept")
    assert noted(records) == ["kept"]


def test_a_foreign_key_must_lead_somewhere(records: Records) -> None:
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), records.write() as tx:
        tx.execute(
            text("INSERT INTO store_problems (project_id, path, problem, seen_at) "
                 "VALUES (99, 'p', 'q', 0)")
        )  # fmt: skip


def test_readers_do_not_wait_for_a_writer_and_see_one_state(records: Records) -> None:
    note(records, "first")
    with records.read() as tx:
        before = tx.execute(text("SELECT count(*) FROM audit")).scalar()
        thread = threading.Thread(target=note, args=(records, "second"))
        thread.start()
        thread.join(timeout=20)
        assert tx.execute(text("SELECT count(*) FROM audit")).scalar() == before == 1
    with records.write():
        assert noted(records) == ["first", "second"]


def test_a_writer_gives_up_after_the_deadline(records: Records) -> None:
    caught: list[BaseException] = []

    def write() -> None:
        try:
            note(records, "late")
        except RecordsBusy as error:
            caught.append(error)

    with records.write():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(timeout=20)
    assert len(caught) == 1
    note(records, "after")
    assert noted(records) == ["after"]


def test_writers_wait_for_each_other_and_all_get_through(records: Records) -> None:
    records = Records(records.url, wait_s=30)
    threads = [threading.Thread(target=note, args=(records, str(n))) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(noted(records), key=int) == [str(n) for n in range(16)]
    records.close()


def test_a_write_inside_a_write_is_refused_at_once(records: Records) -> None:
    with records.write(), pytest.raises(RuntimeError, match="inside a write"):
        note(records, "inner")
    note(records, "after")


def test_a_lock_of_another_process_is_said(records: Records, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RecordsBusy, match="another process"):
        note(records, "never")
    other.execute("ROLLBACK")
    other.close()
    note(records, "then")
    assert noted(records) == ["then"]


def test_a_full_disk_is_said_and_nothing_is_recorded(records: Records) -> None:
    with records.write() as tx:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar()
        tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageFull, match="full"):
        note(records, "too much", size=100_000)
    assert noted(records) == []
    with records.write() as tx:
        tx.exec_driver_sql("PRAGMA max_page_count = 1000000")
    note(records, "room again")


def test_what_is_committed_survives_the_process(tmp_path: Path, empty: bytes) -> None:
    """A process that is killed without any goodbye loses nothing that it was told is written."""
    (tmp_path / FILE_NAME).write_bytes(empty)
    code = f"""
import os, signal
from limner.records import audit
from limner.records.database import Records
records = Records.open({str(tmp_path)!r})
for n in range(20):
    with records.write() as tx:
        audit.write(tx, at=0, project_id=None, actor="a", action=str(n), subject="s")
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert done.returncode == -9
    records = Records.open(tmp_path)
    assert noted(records) == [str(n) for n in range(20)]
    records.close()


def test_a_home_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be made"):
        Records.open(tmp_path / "file" / "home")


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"certainly no database" * 100)
    with pytest.raises(SettingsError, match="cannot be opened"):
        Records.open(tmp_path)


def test_a_home_may_have_a_strange_name(tmp_path: Path) -> None:
    records = Records.open(tmp_path / "100% ours? #1 ü")
    note(records, "there")
    records.close()
    assert (tmp_path / "100% ours? #1 ü" / FILE_NAME).is_file()
