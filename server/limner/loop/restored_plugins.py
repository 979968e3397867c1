"""What was registered before, joined with what a start has found."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from limner.errors import InvalidRequest
from limner.loop.plugin_entries import is_of, key_of, source_of, words_of_entry
from limner.records.rows import PluginState, RegisteredPlugin
from limner.registry import Found, check_inside, kind, read_copies
from limner.stores.plugin_copies import PluginCopies

log = logging.getLogger(__name__)


def restored(
    rows: Sequence[RegisteredPlugin],
    found: Sequence[Found],
    folder: Path | None,
    copies: PluginCopies,
) -> list[Found]:
    """Join what was recorded with what was found. Never raises for a plugin that is broken.

    What was registered from a file comes from its copy, whatever became of the file since.

    Args:
        rows: What was registered or retired.
        found: What the start has found: installed plugins, and those that it was given.
        folder: The plugin folder; what was registered from outside of it is not run any more.
        copies: Hold the code of what was registered from files.

    Returns:
        All plugins now.
    """
    active = [row for row in rows if row.state == PluginState.ACTIVE]
    from_files = [row for row in active if row.location is not None]
    places = {row.location for row in from_files}
    come = _from_copies(from_files, folder, copies)
    come += [
        _broken(row, f"no {row.kind} of this name is installed any more")
        for row in active
        if row.location is None and not any(is_of(row, each) for each in found)
    ]
    registered = {key_of(each) for each in come if each.is_usable}
    now = []
    for each in found:
        row = next((row for row in rows if is_of(row, each)), None)
        if row is not None and row.state == PluginState.RETIRED:
            why = "was retired while the server ran; register it again to use it"
        elif each.source.location in places:
            continue  # its copy runs
        elif key_of(each) in registered:
            why = "is left out: another one of this name was registered while the server ran"
        else:
            now.append(each if row is None else _as_recorded(each, row))
            continue
        log.warning("%s of %s %s", words_of_entry(each), each.source.location, why)
    return [*now, *_clashes_marked(come, now)]


def _clashes_marked(come: Sequence[Found], there: Sequence[Found]) -> Iterator[Found]:
    """Mark those whose name is taken, and say what is wrong with each."""
    taken = {key_of(each): each for each in there if each.manifest is not None}
    for each in come:
        other = taken.get(key_of(each))
        if other is not None:
            words = f"another {kind(each.source.group)} is called so already: "
            each = replace(each, problems=(*each.problems, words + other.source.location))
        for problem in each.problems:
            log.warning("plugin %s of %s: %s", each.source.name, each.source.location, problem)
        yield each


def _from_copies(
    rows: Sequence[RegisteredPlugin], folder: Path | None, copies: PluginCopies
) -> list[Found]:
    """Read what was registered from files, several at a time, each file once."""
    wrong: dict[str, str] = {}
    there: dict[Path, Path] = {}
    for location, digest in {(row.location or "", row.digest) for row in rows}:
        try:
            check_inside(location, folder)
        except InvalidRequest as error:
            wrong[location] = str(error)
            continue
        copy = copies.find(digest, Path(location).name)
        if copy is None:
            wrong[location] = "its copy in the home is gone or damaged; register it again"
        else:
            there[Path(location)] = copy
    read = read_copies(there)
    return [
        _broken(row, wrong[row.location or ""])
        if row.location in wrong
        else _of_row(row, [each for each in read if each.source.location == row.location])
        for row in rows
    ]


def _of_row(row: RegisteredPlugin, read: Sequence[Found]) -> Found:
    for each in read:
        if is_of(row, each):
            return _as_recorded(each, row)
    problems = [problem for each in read if each.manifest is None for problem in each.problems]
    return _broken(row, *(problems or [f"its copy holds no {row.kind} {row.name!r}"]))


def _as_recorded(found: Found, row: RegisteredPlugin) -> Found:
    return replace(found, source=replace(found.source, revision=row.revision))


def _broken(row: RegisteredPlugin, *problems: str) -> Found:
    return Found(source_of(row), None, problems, row.digest)
