"""Finds plugins by entry points and in files and folders. Never raises.

Each plugin that there is comes out as a `Found`, with all its problems where it has some.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from limner.plugin import AppManifest, StrategyManifest
from limner.registry.files import plugin_paths
from limner.registry.heavy import heavy_imports_refused
from limner.registry.interpreters import interpreter_of
from limner.registry.manifests import (
    file_manifests,
    group_of,
    installed_manifest,
    module_of,
    problems_of,
    words_of,
)
from limner.registry.sources import APPS, STRATEGIES, Found, Group, PluginSource, kind

log = logging.getLogger(__name__)


def discover(paths: Sequence[Path] = ()) -> tuple[Found, ...]:
    """Find every plugin: installed ones first, by name, then those of the paths as given.

    Of two plugins of one kind and name the later has a problem.
    """
    found: list[Found] = []
    for group in (APPS, STRATEGIES):
        found += [_installed(point, group) for point in _points(group)]
    seen: set[Path] = set()
    for given in paths:
        for path in _paths_in(given, found):
            if path not in seen:
                seen.add(path)
                found += _in_file(path)
    for each in (marked := _duplicates_marked(found)):
        for problem in each.problems:
            log.warning("plugin %s of %s: %s", each.source.name, each.source.location, problem)
    return tuple(marked)


def _points(group: Group) -> list[EntryPoint]:
    points = {(point.name, point.value): point for point in entry_points(group=group)}
    return [points[key] for key in sorted(points)]


def _installed(point: EntryPoint, group: Group) -> Found:
    source = PluginSource(group, point.name, point.value.partition("[")[0].strip())
    module, problems = _imported(source)
    value: object = None
    if module is not None:
        try:
            value = installed_manifest(module, source.location)
        except Exception as error:  # noqa: BLE001 - a foreign module may define __getattr__
            problems.append(words_of(error))
        else:
            problems += problems_of(value, group)
    return _found(source, value, problems, module)


def _in_file(path: Path) -> list[Found]:
    source = PluginSource(_guessed_group(path), path.stem, str(path))
    module, problems = _imported(source)
    values: Sequence[object] = ()
    if module is not None:
        try:
            values = file_manifests(module, path)
        except Exception as error:  # noqa: BLE001 - a foreign module may define __getattr__
            problems.append(words_of(error))
    if not values:
        return [_found(source, None, problems)]
    return [_found(source, value, [*problems, *problems_of(value)], module) for value in values]


def _imported(source: PluginSource) -> tuple[ModuleType | None, list[str]]:
    """Import a source's module with learning libraries refused; the problems say what failed."""
    problems: list[str] = []
    module = None
    with heavy_imports_refused() as heavy:
        try:
            module = module_of(source)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - foreign code, which may even call sys.exit
            if not heavy:
                problems.append(f"importing it failed: {words_of(error)}")
    problems += [
        f"importing the manifest imports {name}: import it inside the functions that need it"
        for name in sorted(heavy)
    ]
    return module, problems


def _found(
    source: PluginSource, value: object, problems: Sequence[str], module: ModuleType | None = None
) -> Found:
    """Join what is known; the manifest decides the name and, in a file, the group."""
    if not isinstance(value, AppManifest | StrategyManifest):
        return Found(source, None, tuple(problems))
    if source.path is not None:
        source = replace(source, group=group_of(value))
    if group_of(value) != source.group:
        return Found(source, None, tuple(problems))
    if isinstance(value.name, str) and value.name:
        source = replace(source, name=value.name)
    if isinstance(value.python, str) and value.python and module is not None:
        folder = Path(module.__file__ or "").parent
        python, wrong = interpreter_of(value.python, folder)
        source, problems = replace(source, python=python), [*problems, *wrong]
    return Found(source, value, tuple(problems))


def _duplicates_marked(found: Sequence[Found]) -> list[Found]:
    first: dict[tuple[Group, str], PluginSource] = {}
    marked = []
    for each in found:
        key = (each.source.group, each.source.name)
        if each.manifest is not None and key in first:
            problem = (
                f"another {kind(each.source.group)} is called {each.source.name!r} already: "
                f"{first[key].location}"
            )
            each = replace(each, problems=(*each.problems, problem))
        elif each.manifest is not None:
            first[key] = each.source
        marked.append(each)
    return marked


def _paths_in(given: Path, found: list[Found]) -> Iterator[Path]:
    try:
        yield from plugin_paths(given)
    except Exception as error:  # noqa: BLE001 - an unreadable folder must not stop the others
        source = PluginSource(APPS, given.stem, str(given.expanduser().absolute()))
        found.append(Found(source, None, (words_of(error),)))


def _guessed_group(path: Path) -> Group:
    """Guess what a file holds from the manifest it mentions, for a file that fails to import."""
    file = path / "__init__.py" if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return APPS
    return STRATEGIES if "StrategyManifest" in text and "AppManifest" not in text else APPS
