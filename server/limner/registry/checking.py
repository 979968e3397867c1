"""Loads plugins in child processes and notes in the registry what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence

from limner.registry.catalogue import Registry
from limner.registry.inspection import inspect_plugins
from limner.registry.sources import Found

CHECK_TIMEOUT_S = 120.0
"""Seconds that one plugin may take to load; a learning library on a busy machine takes many."""


def check_plugins(registry: Registry, found: Sequence[Found]) -> None:
    """Load each plugin; one that breaks the contract cannot be used from then on.

    Args:
        registry: Gets the problems.
        found: Which of its plugins to check.
    """
    inspected = inspect_plugins(found, CHECK_TIMEOUT_S)
    for each in found:
        problems = inspected.get((each.source.group, each.source.name))
        if problems:
            registry.note_problems(each.source, problems)


def check_given_plugins(registry: Registry) -> None:
    """Check the plugins that were given as files or folders.

    Installed ones are left to `limner plugins --check`: they change seldom, and loading a learning
    library at every start would keep two processors busy for seconds.
    """
    check_plugins(registry, [each for each in registry.found if each.source.path is not None])
