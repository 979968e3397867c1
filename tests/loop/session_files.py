"""Sessions made from bytes, and archives to make them from."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from typing import Any

from limner.records.rows import Session


def kept(house: Any, *files: tuple[str, bytes], **more: Any) -> Session:
    session: Session = house.sessions.create(
        "liver", [(name, io.BytesIO(data)) for name, data in files], **more
    )
    return session


def contents(house: Any, session: Session) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in house.sessions.paths(session)}


def folders(house: Any) -> list[str]:
    folder = house.root / "home" / "sessions"
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def zipped(*members: tuple[str, bytes], by: int = zipfile.ZIP_DEFLATED) -> tuple[str, bytes]:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", by) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return "files.zip", data.getvalue()


def tarred(*members: tuple[str | tarfile.TarInfo, bytes], mode: str = "w") -> tuple[str, bytes]:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as archive:  # type: ignore[call-overload]
        for told, content in members:
            entry = tarfile.TarInfo(told) if isinstance(told, str) else told
            if isinstance(told, str):
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return "files.tar", data.getvalue()
