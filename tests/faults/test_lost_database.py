"""A database that is locked, taken away, replaced or damaged: said in words, nothing is lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.faults.conftest import MakeHouse, mask_of, problem

from limner.errors import RecordsDamaged, SettingsError
from limner.records.database import FILE_NAME, Records
from limner.simulate.server_process import ServerFailed, ServerProcess


@contextmanager
def locked(home: Path) -> Iterator[sqlite3.Connection]:
    """Hold the database as another process would."""
    other = sqlite3.connect(home / FILE_NAME, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield other
    finally:
        if other.in_transaction:
            other.execute("ROLLBACK")
        other.close()


def test_a_lock_that_lasts_is_answered_with_come_back_later_and_loses_nothing(
    make_house: MakeHouse,
) -> None:
    house = make_house(records_wait_s=0.3)
    project = house.project()
    house.idle(project)
    lent = project.next()["assignment"]
    with locked(house.home):
        for answer in (
            project.submit(lent["sample"]["id"], mask_of(lent["sample"]["name"])),
            house.http.post(f"{project.url}/next", json={"annotator": "bea"}),
            house.http.post(f"{project.url}/jobs", json={"kind": "score"}),
        ):
            problem(answer, 503)
            assert int(answer.headers["Retry-After"]) >= 1
        assert project.get()["counts"]["labelled"] == 0
        assert house.http.get("/health/ready").status_code == 200
    answer = project.submit(lent["sample"]["id"], mask_of(lent["sample"]["name"]))
    assert answer.status_code == 201
    house.idle(project)


def test_a_write_waits_for_a_lock_that_is_soon_let_go(make_house: MakeHouse) -> None:
    house = make_house(records_wait_s=20)
    project = house.project()
    house.idle(project)
    answers = []
    with locked(house.home) as other:
        asking = threading.Thread(
            target=lambda: answers.append(
                house.http.post(f"{project.url}/next", json={"annotator": "ann"})
            )
        )
        asking.start()
        asking.join(0.5)
        assert asking.is_alive()
        other.execute("ROLLBACK")
        asking.join(20)
    assert answers[0].json()["assignment"]


@pytest.mark.parametrize("way", ["removed", "replaced"])
def test_a_database_that_is_taken_away_refuses_all_until_it_is_back(
    make_house: MakeHouse, tmp_path: Path, way: str
) -> None:
    house = make_house()
    project = house.project()
    house.idle(project)
    lent = project.next()["assignment"]
    place, aside = house.home / FILE_NAME, tmp_path / "aside.sqlite"
    os.rename(place, aside)
    if way == "replaced":
        Records.open(tmp_path / "other").close()
        shutil.copy(tmp_path / "other" / FILE_NAME, place)
    answer = project.submit(lent["sample"]["id"], mask_of(lent["sample"]["name"]))
    assert "removed or replaced" in problem(answer, 500)["detail"]
    assert "Put the file back" in problem(house.http.get(project.url), 500)["detail"]
    assert problem_of_health(house.http.get("/health/ready").json())
    os.rename(aside, place)
    answer = project.submit(lent["sample"]["id"], mask_of(lent["sample"]["name"]))
    assert answer.status_code == 201


def problem_of_health(health: dict[str, dict[str, str]]) -> bool:
    return "removed or replaced" in health["checks"]["records"]


def test_a_database_damaged_while_the_server_runs_is_said(tmp_path: Path) -> None:
    records = Records.open(tmp_path)
    with records.read() as tx:
        tx.exec_driver_sql("SELECT count(*) FROM samples").scalar()
    with sqlite3.connect(tmp_path / FILE_NAME) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = (tmp_path / FILE_NAME).stat().st_size
    with (tmp_path / FILE_NAME).open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * (size - 100))
    records.close()  # what is cached would hide it
    with pytest.raises(RecordsDamaged, match="put back a copy"), records.read() as tx:
        tx.exec_driver_sql("SELECT count(*) FROM samples").scalar()
    with pytest.raises(RecordsDamaged, match="cannot be used"), records.write() as tx:
        tx.exec_driver_sql("INSERT INTO audit VALUES (1, 0, 1, 'a', 'b', 'c', '{}')")
    records.close()


def served(home: Path, images: Path) -> ServerProcess:
    return ServerProcess([str(images), "--labels", "shell,core"], home=home)


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_home_with_labels_and_no_database_is_not_begun_anew(tmp_path: Path, how: str) -> None:
    home = tmp_path / "home"
    blob = home / "blobs" / "ab" / ("c" * 62)
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"a label")
    if how == "empty":
        (home / FILE_NAME).touch()
    (tmp_path / "images").mkdir()
    with pytest.raises(ServerFailed, match=rf"(?s)database\s+limner.sqlite\s+is\s+{how}") as caught:
        served(home, tmp_path / "images").__enter__()
    assert "Traceback" not in str(caught.value)
    assert blob.read_bytes() == b"a label"
    assert not (home / FILE_NAME).exists() or (home / FILE_NAME).stat().st_size == 0


def test_a_database_that_is_cut_off_is_not_opened(tmp_path: Path) -> None:
    Records.open(tmp_path).close()
    whole = (tmp_path / FILE_NAME).read_bytes()
    (tmp_path / FILE_NAME).write_bytes(whole[: len(whole) // 3])
    with pytest.raises((SettingsError, RecordsDamaged), match="copy of it"):
        read_all(tmp_path)


def read_all(home: Path) -> None:
    with Records.open(home).read() as tx:
        tx.exec_driver_sql("PRAGMA integrity_check").all()
        tx.exec_driver_sql("SELECT * FROM store_problems").all()
