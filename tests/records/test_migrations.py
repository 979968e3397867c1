"""Migrations: they make exactly the tables that the code speaks of, and run when they must."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import IntegrityError

from limner.errors import SettingsError
from limner.records import database
from limner.records.database import HEAD, Records, alembic_config
from limner.records.tables import metadata


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    opened = Records.open(tmp_path)
    yield opened
    opened.close()


def test_migrations_make_what_the_tables_say(records: Records) -> None:
    with records.read() as tx:
        context = MigrationContext.configure(
            tx, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_migrations_make_the_same_sql_as_the_tables(records: Records, tmp_path: Path) -> None:
    """Autogenerate does not compare the condition of a partial index; SQLite's own text does."""
    straight = create_engine(f"sqlite:///{tmp_path / 'straight.sqlite'}")
    metadata.create_all(straight)
    query = text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    with straight.connect() as direct, records.read() as tx:
        expected = sorted(tuple(row) for row in direct.execute(query))
        assert sorted(tuple(row) for row in tx.execute(query)) == expected
    straight.dispose()


def test_head_is_the_newest_migration(records: Records) -> None:
    with records.read() as tx:
        assert ScriptDirectory.from_config(alembic_config(tx)).get_current_head() == HEAD


def test_migrations_can_be_taken_back(records: Records) -> None:
    with records.write() as tx:
        command.downgrade(alembic_config(tx), "base")
        assert set(inspect(tx).get_table_names()) == {"alembic_version"}


def test_a_second_start_does_not_import_alembic(tmp_path: Path) -> None:
    Records.open(tmp_path).close()
    code = (
        "import sys; from limner.records.database import Records; "
        f"Records.open({str(tmp_path)!r}).close(); assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_database_of_a_newer_limner_is_refused_with_words(tmp_path: Path) -> None:
    records = Records.open(tmp_path)
    with records.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    records.close()
    with pytest.raises(SettingsError, match="newer Limner"):
        Records.open(tmp_path)


def test_a_migration_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = database._upgrade

    def half(tx: object, version: str | None) -> None:
        real(tx, version)  # type: ignore[arg-type]
        raise SettingsError("power cut")

    monkeypatch.setattr(database, "_upgrade", half)
    with pytest.raises(SettingsError, match="power cut"):
        Records.open(tmp_path)
    monkeypatch.undo()
    with create_engine(f"sqlite:///{tmp_path / database.FILE_NAME}").connect() as connection:
        assert inspect(connection).get_table_names() == []
        connection.engine.dispose()


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"])
def test_the_audit_trail_refuses_change(records: Records, statement: str) -> None:
    with records.write() as tx:
        tx.execute(
            text(
                "INSERT INTO audit (at, actor, action, subject, details) "
                "VALUES (1, 'ann', 'label.submitted', 'label:1', '{}')"
            )
        )
    with pytest.raises(IntegrityError, match="append-only"), records.write() as tx:
        tx.execute(text(statement))
