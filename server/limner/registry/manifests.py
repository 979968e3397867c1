"""Reads the manifests at one place, and says everything that is wrong with them."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from limner.errors import PluginFailed
from limner.plugin import AppManifest, Manifest, StrategyManifest, manifest_problems
from limner.registry.files import import_path
from limner.registry.sources import APPS, STRATEGIES, Group, PluginSource, kind


def module_of(source: PluginSource) -> ModuleType:
    """Import the module that holds a source's manifest.

    Raises:
        Exception: Whatever the plugin's own code raises, `SystemExit` included.
    """
    if source.path is not None:
        return import_path(Path(source.copy or source.path), source.path)
    return importlib.import_module(source.location.partition(":")[0])


def installed_manifest(module: ModuleType, location: str) -> object:
    """Return what an entry point names inside its module.

    Raises:
        PluginFailed: The module has no such attribute.
    """
    value: object = module
    attributes = location.partition(":")[2] or "manifest"
    for attribute in attributes.split("."):
        if not hasattr(value, attribute):
            raise PluginFailed(f"{location} names nothing: {module.__name__} has no {attributes!r}")
        value = getattr(value, attribute)
    return value


def file_manifests(module: ModuleType, path: Path) -> Sequence[object]:
    """Return a plugin file's `manifest`, or all of its `manifests`.

    Raises:
        PluginFailed: It has neither, or `manifests` is no sequence.
    """
    if hasattr(module, "manifests"):
        several = module.manifests
        if not isinstance(several, Sequence) or isinstance(several, str) or not several:
            raise PluginFailed(
                f"manifests in {path.name} is a {type(several).__name__}; make it a tuple with at "
                "least one manifest"
            )
        return several
    if hasattr(module, "manifest"):
        return [module.manifest]
    raise PluginFailed(f"{path.name} defines neither 'manifest' nor 'manifests'")


def group_of(manifest: Manifest) -> Group:
    """Name the group that a manifest belongs to."""
    return APPS if isinstance(manifest, AppManifest) else STRATEGIES


def problems_of(value: object, group: Group | None = None) -> list[str]:
    """List what is wrong with something that should be a manifest, of a group if one is given."""
    if not isinstance(value, AppManifest | StrategyManifest):
        return [
            f"its manifest is a {type(value).__name__}, not an AppManifest or a StrategyManifest"
        ]
    problems = []
    if group is not None and group_of(value) != group:
        problems.append(f"its manifest is a {type(value).__name__}, but it is listed in {group}")
    try:
        problems += manifest_problems(value)
    except Exception as error:  # noqa: BLE001 - a foreign manifest may hold fields of any type
        problems.append(f"its manifest cannot be read: {words_of(error)}")
    return problems


def manifest_of(source: PluginSource) -> tuple[ModuleType, Manifest]:
    """Import a source and return its module and manifest.

    Raises:
        PluginFailed: It cannot be imported or holds no such manifest; the message says why.
    """
    try:
        module = module_of(source)
        values = (
            [installed_manifest(module, source.location)]
            if source.path is None
            else file_manifests(module, source.path)
        )
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # foreign code, which may even call sys.exit
        raise PluginFailed(
            f"The {kind(source.group)} {source.name!r} of {source.location} cannot be imported: "
            f"{words_of(error)}"
        ) from error
    for value in values:
        if (
            isinstance(value, AppManifest | StrategyManifest)
            and group_of(value) == source.group
            and value.name == source.name
        ):
            return module, value
    raise PluginFailed(
        f"{source.location} holds no {kind(source.group)} called {source.name!r} any more; "
        "register it again, or restart the server, to use what it holds."
    )


def words_of(error: BaseException) -> str:
    """Say in one line what foreign code raised, and where."""
    if isinstance(error, PluginFailed):
        return str(error)
    name = type(error).__name__
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a foreign exception's own __str__ may fail
        text = "(its message cannot be read)"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen") and frame.filename != importlib.__file__
    ]
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{name}: {text}{where}" if text else f"{name}{where}"
