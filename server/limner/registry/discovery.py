"""Finds plugins by entry points and in files and folders. Never raises.

Each plugin that there is comes out as a `Found`, with all its problems where it has some.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from limner.plugin import AppManifest, StrategyManifest
from limner.registry.code_state import digest_of_installed
from limner.registry.files import plugin_paths
from limner.registry.importing import imported
from limner.registry.manifests import installed_manifest, problems_of, words_of
from limner.registry.reading import installed_source, joined, read_paths
from limner.registry.sources import APPS, STRATEGIES, Found, Group, PluginSource, kind

log = logging.getLogger(__name__)


def discover(paths: Sequence[Path] = ()) -> tuple[Found, ...]:
    """Find every plugin: installed ones first, by name, then those of the paths as given.

    The code of files and folders is run by child processes only. Of two plugins of one kind and
    name the later has a problem, and so has the later of two package folders of one name.
    """
    found = [
        _installed(point, group)
        for group in (APPS, STRATEGIES)
        for point in installed_points(group)
    ]
    read: list[Path] = []
    for given in paths:
        read += [path for path in _paths_in(given, found) if path not in read]
    found += read_paths(read)
    for each in (marked := marked_duplicates(found)):
        for problem in each.problems:
            log.warning("plugin %s of %s: %s", each.source.name, each.source.location, problem)
    return marked


def installed_points(group: Group) -> list[EntryPoint]:
    """List the entry points of a group, by name."""
    points = {(point.name, point.value): point for point in entry_points(group=group)}
    return [points[key] for key in sorted(points)]


def marked_duplicates(found: Sequence[Found]) -> tuple[Found, ...]:
    """Add a problem to whatever has a name that another one has already."""
    first: dict[tuple[Group, str], PluginSource] = {}
    packages: dict[str, Path] = {}
    marked = []
    for each in found:
        path = each.source.path
        key = (each.source.group, each.source.name)
        problem = ""
        if path is not None and path.suffix != ".py":
            # Modules of a package find each other by its name, of which a process has one.
            taken = packages.setdefault(path.name, path)
            if taken != path:
                problem = (
                    f"another package is called {path.name!r} already: {taken}; rename the folder"
                )
        if each.manifest is not None and not problem:
            other = first.setdefault(key, each.source)
            if other is not each.source:
                problem = f"another {kind(key[0])} is called {key[1]!r} already: {other.location}"
        marked.append(replace(each, problems=(*each.problems, problem)) if problem else each)
    return tuple(marked)


def _installed(point: EntryPoint, group: Group) -> Found:
    source = installed_source(point, group)
    module, problems = imported(source)
    value: object = None
    if module is not None:
        try:
            value = installed_manifest(module, source.location)
        except Exception as error:  # noqa: BLE001 - a foreign module may define __getattr__
            problems.append(words_of(error))
        else:
            problems += problems_of(value, group)
    manifest = value if isinstance(value, AppManifest | StrategyManifest) else None
    folder = Path(getattr(module, "__file__", None) or "").parent
    found = joined(source, manifest, problems, folder)
    return replace(found, digest=digest_of_installed(point, manifest))


def _paths_in(given: Path, found: list[Found]) -> Iterator[Path]:
    try:
        yield from plugin_paths(given)
    except Exception as error:  # noqa: BLE001 - an unreadable folder must not stop the others
        source = PluginSource(APPS, given.stem, str(given.expanduser().absolute()))
        found.append(Found(source, None, (words_of(error),)))
