"""What counts as a plugin's code, and its state in one digest: both change together or not at all.

The code of a plugin file is the file. That of a package folder is every file in it, data too, but
`__pycache__`, names that begin with a dot, and virtual environments.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

from limner.errors import PluginFailed
from limner.plugin import Manifest
from limner.registry.plain import plain_manifest

MOST_FILES = 2000
MOST_BYTES = 64 << 20
"""A plugin's own code is far smaller: more than this is data, or a folder given by mistake."""

_CHUNK = 1 << 20


def code_files(path: Path) -> list[tuple[str, Path]]:
    """List the code of a plugin file or package folder, by name.

    A link to a file counts as the file that it leads to. A link to a folder is listed itself; what
    is in the folder is listed where it lies.

    Args:
        path: Free of symbolic links.

    Returns:
        For each its name relative to the folder, with `/`, and where it lies.

    Raises:
        PluginFailed: It holds too much, cannot be read, or links to something outside.
    """
    try:
        if path.is_file():
            return [(path.name, path)]
        files = []
        for file in _files(path, path):
            files.append((file.relative_to(path).as_posix(), file))
            if len(files) > MOST_FILES:
                raise _too_much(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    except RuntimeError as error:
        raise PluginFailed(
            f"{path.name} cannot be read: its links lead in a circle, or its folders lie too deep."
        ) from error
    return sorted(files)


def code_chunks(path: Path) -> Iterator[tuple[str, Path, Iterator[bytes]]]:
    """Read the code of a plugin file or package folder, by name.

    Yields:
        For each of `code_files` its name, where it lies, and its content in pieces, to be read
        before the next. The content of a link to a folder is where it leads, from where it lies.

    Raises:
        PluginFailed: As in `code_files`; also while the content is read.
    """
    left = MOST_BYTES

    def content(file: Path) -> Iterator[bytes]:
        nonlocal left
        try:
            if file.is_dir():
                yield os.fsencode(link_target(file))
                return
            with file.open("rb") as opened:
                while chunk := opened.read(_CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise _too_much(path)
                    yield chunk
        except OSError as error:
            raise _unreadable(path, error) from error

    for name, file in code_files(path):
        yield name, file, content(file)


def link_target(link: Path) -> str:
    """Say where a link leads, relative to the folder that it lies in."""
    return os.path.relpath(link.resolve(), link.parent)


def digest_of_path(path: Path) -> str:
    """Digest the code of a plugin file or package folder.

    Raises:
        PluginFailed: It holds too much, cannot be read, or links to something outside.
    """
    digest = hashlib.sha256()
    for name, file, content in code_chunks(path):
        inner = hashlib.sha256()
        for chunk in content:
            inner.update(chunk)
        what = "folder" if file.is_dir() else "file"
        digest.update(f"{what}\0{inner.hexdigest()}\0{len(os.fsencode(name))}\0".encode())
        digest.update(os.fsencode(name))
    return digest.hexdigest()


def digest_of_installed(point: EntryPoint, manifest: Manifest | None) -> str:
    """Digest an installed plugin: which distribution in which version, and its manifest."""
    made_by = None if point.dist is None else [point.dist.name, point.dist.version]
    try:
        said = None if manifest is None else plain_manifest(manifest)
    except TypeError as error:
        said = {"unreadable": str(error)}
    text = json.dumps([made_by, point.value, said], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _files(folder: Path, root: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        inside = list(entries)
    if any(each.name == "pyvenv.cfg" for each in inside) and folder != root:
        return
    for number, each in enumerate(inside):
        if number > MOST_FILES:
            raise _too_much(root)
        if each.name.startswith(".") or each.name == "__pycache__":
            continue
        path = Path(each.path)
        if each.is_symlink():
            _refuse_stray(path, root)
            if path.is_dir():
                yield path
                continue
        if each.is_dir(follow_symlinks=False):
            yield from _files(path, root)
        elif stat.S_ISREG(each.stat().st_mode):
            yield path


def _refuse_stray(link: Path, root: Path) -> None:
    """Refuse a link that leads out, to nothing, or to a folder that may be no part of the code."""
    target = link.resolve()
    name = f"{link.relative_to(root).as_posix()!r} in {root.name}"
    if not target.is_relative_to(root):
        raise PluginFailed(f"{name} links to something outside of {root.name}; copy it there.")
    if not target.exists():
        raise PluginFailed(f"{name} links to nothing; remove it.")
    if target.is_dir() and any(
        part.startswith(".") or part == "__pycache__" for part in target.relative_to(root).parts
    ):
        raise PluginFailed(f"{name} links to a folder that is left out; copy it there.")


def _too_much(path: Path) -> PluginFailed:
    return PluginFailed(
        f"{path.name} holds more than {MOST_FILES} files or {MOST_BYTES >> 20} MiB; keep data "
        "elsewhere and leave code only."
    )


def _unreadable(path: Path, error: OSError) -> PluginFailed:
    at = Path(os.fsdecode(error.filename)).name if error.filename else path.name
    return PluginFailed(f"{at} of {path.name} cannot be read: {error.strerror or error}.")
