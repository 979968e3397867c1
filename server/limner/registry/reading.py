"""Reads the manifests of files and folders without running their code in this process.

Each is imported by a child process of its own (`limner.registry.reader`), so that a module that
hangs, crashes or ends its process costs itself and nobody else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from limner.errors import PluginFailed
from limner.plugin import Manifest
from limner.registry.child import ask_child
from limner.registry.code_state import digest_of_installed, digest_of_path
from limner.registry.interpreters import interpreter_of
from limner.registry.manifests import group_of, problems_of, words_of
from limner.registry.plain import manifest_from
from limner.registry.sources import APPS, STRATEGIES, Found, Group, PluginSource

READ_TIMEOUT_S = 20.0
"""Seconds that importing one manifest may take; it is a matter of milliseconds."""

_AT_ONCE = max(2, os.cpu_count() or 2)
_GUESSED_FROM = 1 << 20


def read_paths(paths: Sequence[Path]) -> list[Found]:
    """Read plugin files and package folders, several at a time; the order is kept. Never raises.

    Returns:
        At least one entry for each path: broken ones have their problems.
    """
    return _read_all([PluginSource(_guessed_group(each), each.stem, str(each)) for each in paths])


def read_copies(copies: Mapping[Path, Path]) -> list[Found]:
    """Read copies of plugin files and package folders, as `read_paths` does.

    Args:
        copies: Where the copy lies, for each place that it was taken from.
    """
    return _read_all(
        [
            PluginSource(_guessed_group(copy), place.stem, str(place), copy=str(copy))
            for place, copy in copies.items()
        ]
    )


def read_installed(point: EntryPoint, group: Group) -> Found:
    """Read an installed plugin as it is on the disk now, whatever this process has imported."""
    source = installed_source(point, group)
    (found,) = _read(source, Path())
    return replace(found, digest=digest_of_installed(point, found.manifest))


def installed_source(point: EntryPoint, group: Group) -> PluginSource:
    """Say where an entry point leads."""
    return PluginSource(group, point.name, point.value.partition("[")[0].strip())


def joined(
    source: PluginSource, manifest: Manifest | None, problems: Sequence[str], folder: Path
) -> Found:
    """Join what is known of a plugin; the manifest decides the name and, in a file, the group.

    Args:
        source: Where it was looked for.
        manifest: What was found there, if anything.
        problems: What is wrong so far.
        folder: Of the file that holds the manifest, which its interpreter may be relative to.
    """
    if manifest is None:
        return Found(source, None, tuple(problems))
    if source.path is not None:
        source = replace(source, group=group_of(manifest))
    if group_of(manifest) != source.group:
        return Found(source, None, tuple(problems))
    if isinstance(manifest.name, str) and manifest.name:
        source = replace(source, name=manifest.name)
    if isinstance(manifest.python, str) and manifest.python:
        python, wrong = interpreter_of(manifest.python, folder)
        source, problems = replace(source, python=python), [*problems, *wrong]
    return Found(source, manifest, tuple(problems))


def _read_all(sources: Sequence[PluginSource]) -> list[Found]:
    if not sources:
        return []
    with ThreadPoolExecutor(min(_AT_ONCE, len(sources)), thread_name_prefix="read-plugin") as pool:
        return [each for found in pool.map(_read_path, sources) for each in found]


def _read_path(source: PluginSource) -> list[Found]:
    try:
        return _read_place(source)
    except Exception as error:  # noqa: BLE001 - one odd file must not keep the server from starting
        return [Found(source, None, (f"it cannot be read: {words_of(error)}",))]


def _read_place(source: PluginSource) -> list[Found]:
    place = Path(source.location)
    code = Path(source.copy or place)
    try:
        # Before the code is read: what changes meanwhile is then taken for a change.
        digest = digest_of_path(code)
    except PluginFailed as error:
        if source.copy:
            return [Found(source, None, (str(error),))]
        digest = ""  # it is run where it lies, so it may hold whatever it likes
    found = _read(source, place if code.is_dir() else place.parent)
    return [replace(each, digest=digest) for each in found]


def _read(source: PluginSource, folder: Path) -> list[Found]:
    """Let a child process import a source, and join what it says."""
    asked = {
        "group": source.group,
        "name": source.name,
        "location": source.location,
        "copy": source.copy,
    }
    timeout_s = READ_TIMEOUT_S
    try:
        answer = ask_child("limner.registry.reader", asked, timeout_s)
    except OSError as error:
        problem = f"it cannot be read now, no process can be started: {error.strerror}"
        return [Found(source, None, (problem,))]
    if answer.ended:
        return [Found(source, None, (f"importing it {answer.ended}",))]
    try:
        problems = [str(each) for each in answer.document["problems"]]
        values = list(answer.document["values"])
        if not values:
            return [Found(source, None, tuple(problems))]
        return [_joined_value(source, each, problems, folder) for each in values]
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        # Only code that writes into the child's own answer can bring this about.
        return [Found(source, None, (f"its manifest cannot be read: {words_of(error)}",))]


def _joined_value(
    source: PluginSource, value: Mapping[str, Any], problems: Sequence[str], folder: Path
) -> Found:
    group = None if source.path is not None else source.group
    if "type" in value:
        problem = f"its manifest is a {value['type']}, not an AppManifest or a StrategyManifest"
        return Found(source, None, (*problems, problem))
    kind = value["kind"]
    named = value["fields"].get("name")
    if source.path is not None:
        source = replace(source, group=APPS if kind == "app" else STRATEGIES)
    if value.get("unreadable"):
        unreadable = str(value["unreadable"])
    else:
        try:
            manifest = manifest_from(value)
        except TypeError as error:
            unreadable = f"TypeError: {error}"
        else:
            return joined(source, manifest, [*problems, *problems_of(manifest, group)], folder)
    if isinstance(named, str) and named:
        source = replace(source, name=named[:64])
    return Found(source, None, (*problems, f"its manifest cannot be read: {unreadable}"))


def _guessed_group(path: Path) -> Group:
    """Guess what a file holds from the manifest it mentions, for a file that fails to import."""
    file = path / "__init__.py" if path.is_dir() else path
    try:
        with file.open("rb") as opened:
            text = opened.read(_GUESSED_FROM)
    except OSError:
        return APPS
    return STRATEGIES if b"StrategyManifest" in text and b"AppManifest" not in text else APPS
