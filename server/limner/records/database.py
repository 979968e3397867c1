"""The database: how it is opened, read and written.

SQLite keeps one writer at a time, and answers a second one with "locked". So the writers of this
process queue at a lock of our own and reach SQLite one by one, over one connection whose page cache
stays warm; readers use a pool and never wait for a writer (write-ahead log).

Python's `sqlite3` opens transactions by itself and late, which loses both BEGIN IMMEDIATE and a
read's snapshot. It is told not to, and SQLAlchemy's `begin` event sends BEGIN instead, as
SQLAlchemy's SQLite documentation has it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from limner.errors import (
    LimnerError,
    RecordsBusy,
    RecordsDamaged,
    SettingsError,
    StorageFull,
)

log = logging.getLogger(__name__)

FILE_NAME = "limner.sqlite"
"""Name of the database file in the server's home."""

HEAD = "0007"
"""Newest migration. Known here so that an ordinary start need not import Alembic."""

MIGRATIONS = Path(__file__).with_name("migrations")

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
# A full disk can also strike while the write-ahead log's index grows.
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMOPEN}
_DAMAGED = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
}


class Records:
    """An open database at the newest migration. Safe to use from any thread.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     records = Records.open(Path(home))
        ...     with records.read() as tx:
        ...         print(tx.exec_driver_sql("PRAGMA journal_mode").scalar())
        ...     records.close()
        wal
    """

    def __init__(self, url: URL, *, wait_s: float = 10.0) -> None:
        """Make the engines; nothing is opened yet. Use `open`."""
        self.url = url
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._file: tuple[int, int] | None = None
        if url.get_backend_name() == "sqlite":
            self._readers = _sqlite_engine(url, "BEGIN", wait_s, pool_size=8, max_overflow=-1)
            self._writer = _sqlite_engine(
                url, "BEGIN IMMEDIATE", wait_s, pool_size=1, max_overflow=0
            )
        else:
            self._readers = create_engine(
                url, pool_size=8, max_overflow=24, pool_timeout=wait_s, hide_parameters=True
            )
            self._writer = self._readers

    @classmethod
    def open(cls, url_or_home: Path | str, *, wait_s: float = 10.0) -> Records:
        """Open the database, making it and bringing it to the newest migration where needed.

        Args:
            url_or_home: A folder, which will hold `limner.sqlite`, or an SQLAlchemy URL.
            wait_s: How long a writer waits for others, in seconds, before it gives up.

        Raises:
            SettingsError: It cannot be opened, or a newer Limner made it.
            RecordsBusy: Another process kept it locked.
            StorageFull: The disk is full.
        """
        records = cls(_url(url_or_home), wait_s=wait_s)
        try:
            records._migrate()
            records._file = records._identity()
        except RecordsDamaged as error:
            records.close()
            reason = getattr(error.__cause__, "orig", error)
            raise SettingsError(
                f"The database {records.url.render_as_string()} cannot be opened: {reason}. Check "
                "that the path is right and may be written; where the file is damaged, put back a "
                "copy of it."
            ) from error
        except LimnerError:
            records.close()
            raise
        except DBAPIError as error:
            records.close()
            raise SettingsError(
                f"The database {records.url.render_as_string()} cannot be opened: {error.orig}. "
                "Check that the path is right and may be written."
            ) from error
        return records

    @property
    def engines(self) -> tuple[Engine, ...]:
        """The engines in use, for those who watch statements."""
        return tuple({id(each): each for each in (self._readers, self._writer)}.values())

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Read one consistent state; never waits for a writer.

        Raises:
            RecordsBusy: Too many readers, or the database is locked by somebody else.
            RecordsDamaged: The database is damaged, or its file was taken away.
        """
        self._check_file()
        with _translated(), self._readers.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Write in one transaction: committed and synced to disk at the end, or rolled back.

        One writer at a time; keep it short and never start a second one inside.

        Raises:
            RecordsBusy: Other writers took longer than the deadline. Nothing was written.
            StorageFull: The disk is full. Nothing was written.
            RecordsDamaged: The database is damaged, or its file was taken away.
        """
        if self._owner == threading.get_ident():
            raise RuntimeError(
                "A write was started inside a write; pass its connection on instead."
            )
        if not self._lock.acquire(timeout=self._wait_s):
            raise RecordsBusy(
                f"Other writers held the records for more than {self._wait_s:g} seconds; nothing "
                "was written. Try again."
            )
        self._owner = threading.get_ident()
        try:
            self._check_file()
            with _translated(), self._writer.begin() as connection:
                yield connection
            self._check_file()  # what was written to a file that nobody finds again is lost
        finally:
            self._owner = None
            self._lock.release()

    def close(self) -> None:
        """Close every connection that is not in use."""
        for engine in self.engines:
            engine.dispose()

    def _check_file(self) -> None:
        """Refuse to go on with a file that was removed or replaced: its open copy is a dead end.

        Raises:
            RecordsDamaged: It was.
        """
        if self._file is not None and self._identity() != self._file:
            raise RecordsDamaged(
                f"The database {self.url.database} was removed or replaced while the server ran, "
                "so nothing can be recorded. Put the file back where it was; or, to go on with "
                "another one, start the server again."
            )

    def _identity(self) -> tuple[int, int] | None:
        if self.url.get_backend_name() != "sqlite" or self.url.database in (None, "", ":memory:"):
            return None
        try:
            found = os.stat(str(self.url.database))
        except OSError:
            return 0, 0
        return found.st_dev, found.st_ino

    def _migrate(self) -> None:
        with self.read() as tx:
            version = _version(tx)
        if version == HEAD:
            return
        with self.write() as tx:
            version = _version(tx)  # another process may have been faster
            if version != HEAD:
                _upgrade(tx, version)
                log.info("records migrated from %s to %s", version or "nothing", HEAD)


def _url(url_or_home: Path | str) -> URL:
    if isinstance(url_or_home, str) and "://" in url_or_home:
        return make_url(url_or_home)
    home = Path(url_or_home)
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The folder {home} cannot be made: {error.strerror}. Give another --home."
        ) from error
    return URL.create("sqlite", database=str(home / FILE_NAME))


def _sqlite_engine(url: URL, begin: str, wait_s: float, **pool: Any) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": wait_s, "check_same_thread": False},
        pool_timeout=wait_s,
        pool_use_lifo=True,
        hide_parameters=True,  # names of files, which may be names of patients, stay out of errors
        **pool,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "cache_size=-8192",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def send_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what a database says of locks and full disks into our own errors."""
    try:
        yield
    except PoolTimeout as error:
        raise RecordsBusy("Every connection to the records is in use; try again.") from error
    except DBAPIError as error:
        code = getattr(error.orig, "sqlite_errorcode", None)
        # Extended codes keep the primary one in their low byte.
        if code is not None and code & 0xFF in _BUSY:
            raise RecordsBusy(
                "The database is locked by another process; nothing was written. Try again, or "
                "end the other process."
            ) from error
        if code in _FULL:
            raise StorageFull(
                "The disk that holds the database is full; nothing was recorded. Make room and "
                "try again."
            ) from error
        if code is not None and code & 0xFF in _DAMAGED:
            raise RecordsDamaged(
                f"The database cannot be used: {error.orig}. Stop the server; check the disk and "
                "the rights of the file; where it is damaged, put back a copy of it."
            ) from error
        raise


def _version(tx: Connection) -> str | None:
    if not inspect(tx).has_table("alembic_version"):
        return None
    return tx.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(tx: Connection, version: str | None) -> None:
    # Imported here: it takes a tenth of a second that an ordinary start has no use for.
    from alembic import command
    from alembic.util import CommandError

    try:
        command.upgrade(alembic_config(tx), "head")
    except CommandError as error:
        raise SettingsError(
            f"The database is at migration {version!r}, which this Limner does not know; it knows "
            f"up to {HEAD}. A newer Limner made it: use that one."
        ) from error


def alembic_config(tx: Connection) -> Any:
    """Make an `alembic.config.Config` that works on an open connection, in its transaction."""
    from alembic.config import Config

    config = Config()
    # ConfigParser would take a percent sign in a path for its own.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = tx
    return config
