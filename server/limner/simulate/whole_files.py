"""Files that are there as a whole or not at all: written beside, synced, renamed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from limner.stores.durable import full_disk_said


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one.

    Raises:
        StorageFull: The disk is full.
    """
    with full_disk_said(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.tmp")
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)


def write_json(path: Path, content: Any, *, indent: int | None = 1) -> None:
    """Write JSON, likewise.

    Raises:
        StorageFull: The disk is full.
    """
    text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    write_whole(path, (text + "\n").encode("utf-8", "surrogateescape"))


def read_json(path: Path) -> Any:
    """Read JSON; None where there is no file, or none that can be read."""
    try:
        return json.loads(path.read_bytes().decode("utf-8", "surrogateescape"))
    except (OSError, ValueError):
        return None
