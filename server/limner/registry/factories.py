"""Makes plugins from their sources. Called in worker processes only: this loads models' code."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import cast

from limner.errors import PluginFailed
from limner.plugin import App, AppManifest, Manifest, Strategy, StrategyManifest
from limner.registry.manifests import manifest_of, words_of
from limner.registry.signatures import plugin_problems
from limner.registry.sources import PluginSource, kind


def make_app(source: PluginSource) -> App:
    """Make an app; cheap, since no weights are loaded.

    Raises:
        PluginFailed: It cannot be made or lacks a declared ability; the message lists everything.
    """
    plugin, manifest, problems = made(source)
    if problems or not isinstance(manifest, AppManifest):
        raise PluginFailed(_refusal(source, problems))
    return cast(App, plugin)


def make_strategy(source: PluginSource) -> Strategy:
    """Make a strategy.

    Raises:
        PluginFailed: It cannot be made or has no `pick`; the message lists everything.
    """
    plugin, manifest, problems = made(source)
    if problems or not isinstance(manifest, StrategyManifest):
        raise PluginFailed(_refusal(source, problems))
    return cast(Strategy, plugin)


def made(source: PluginSource) -> tuple[object, Manifest, list[str]]:
    """Make a plugin and list its problems; the plugin is None where it cannot be made.

    Raises:
        PluginFailed: Its manifest cannot be imported.
    """
    module, manifest = manifest_of(source)
    try:
        factory = _factory(module, manifest.factory)
        plugin: object = factory()  # type: ignore[operator]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - foreign code, which may even call sys.exit
        return None, manifest, [f"its factory {manifest.factory} failed: {words_of(error)}"]
    return plugin, manifest, plugin_problems(plugin, manifest)


def _factory(module: ModuleType, factory: str) -> object:
    name, _, attribute = factory.partition(":")
    owner = importlib.import_module(name) if name else module
    if not hasattr(owner, attribute):
        raise PluginFailed(f"{owner.__name__} has no attribute {attribute!r}")
    return cast(object, getattr(owner, attribute))


def _refusal(source: PluginSource, problems: list[str]) -> str:
    return f"The {kind(source.group)} {source.name!r} of {source.location} cannot be used: " + (
        "; ".join(problems) or "its manifest is of another kind"
    )
