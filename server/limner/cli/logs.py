"""Where log lines go: JSON to the home's `logs`, words for people to the terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

from limner.errors import SettingsError
from limner.http.logs import JsonFormatter

FILE = "limner.log"
MAX_BYTES = 20 * 2**20
BACKUPS = 5

_NOT_FOR_PEOPLE = "limner.http.requests"
"""A line for every request fills a terminal; it is in the file."""


@contextmanager
def logging_to(folder: Path, *, verbose: bool = False) -> Iterator[Path]:
    """Send what Limner logs to a file and to standard error, until the end of the block.

    Args:
        folder: Folder of the log files; made where there is none. Twenty MiB a file, six files.
        verbose: Show debug lines, too.

    Raises:
        SettingsError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file: logging.Handler = RotatingFileHandler(
            folder / FILE, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8"
        )
    except OSError as error:
        raise SettingsError(f"The log folder {folder} cannot be written: {error}.") from error
    file.setFormatter(JsonFormatter())
    people = logging.StreamHandler(sys.stderr)
    people.setFormatter(logging.Formatter("%(asctime)s  %(levelname)-7s  %(message)s", "%H:%M:%S"))
    people.addFilter(lambda record: record.name != _NOT_FOR_PEOPLE)
    root, ours = logging.getLogger(), logging.getLogger("limner")
    before = root.level, ours.level
    root.setLevel(logging.WARNING)
    ours.setLevel(logging.DEBUG if verbose else logging.INFO)
    root.addHandler(file)
    root.addHandler(people)
    try:
        yield folder / FILE
    finally:
        root.removeHandler(file)
        root.removeHandler(people)
        file.close()
        root.setLevel(before[0])
        ours.setLevel(before[1])
