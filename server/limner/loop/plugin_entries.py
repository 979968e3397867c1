"""What is recorded of a plugin and what is found of it, each told by the other."""

from __future__ import annotations

from limner.records.rows import PluginState, RegisteredPlugin
from limner.registry import APPS, STRATEGIES, Found, Group, PluginSource, kind

Key = tuple[Group, str]
"""What tells plugins apart: group and name."""


def key_of(found: Found) -> Key:
    """Tell a plugin from others."""
    return found.source.group, found.source.name


def key_of_row(row: RegisteredPlugin) -> Key:
    """Tell a recorded plugin from others."""
    return (APPS if row.kind == kind(APPS) else STRATEGIES), row.name


def words_of_entry(found: Found) -> str:
    """Name a plugin for people."""
    return f"{kind(found.source.group)} {found.source.name!r}"


def row_of(found: Found, state: PluginState, now: float) -> RegisteredPlugin:
    """Say what to record of a plugin.

    Args:
        found: The plugin.
        state: Whether it is wanted.
        now: Seconds since 1970.
    """
    source = found.source
    return RegisteredPlugin(
        kind=kind(source.group),
        name=source.name,
        location=None if source.path is None else source.location,
        revision=source.revision,
        state=state.value,
        digest=found.digest,
        registered_at=now,
    )


def is_of(row: RegisteredPlugin, found: Found) -> bool:
    """Tell whether a row records this plugin, and not another of its name from elsewhere."""
    location = None if found.source.path is None else found.source.location
    return key_of_row(row) == key_of(found) and row.location == location


def source_of(row: RegisteredPlugin) -> PluginSource:
    """Say where a recorded plugin comes from, as far as the row can tell."""
    group, name = key_of_row(row)
    location = row.location or f"installed {row.kind} {name}"
    return PluginSource(group, name, location, revision=row.revision)


def retired_entry(row: RegisteredPlugin) -> Found:
    """Return how a retired plugin is shown."""
    problem = f"it was retired; register it again to use it as {row.kind}"
    return Found(source_of(row), None, (problem,), row.digest)
