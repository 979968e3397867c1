"""Which apps and strategies there are: found, checked, and made in worker processes.

Nothing in this package knows a plugin's name, and no broken plugin stops another.
"""

from limner.registry.catalogue import Registry
from limner.registry.checking import check_given_plugins, check_plugins
from limner.registry.discovery import discover
from limner.registry.factories import make_app, make_strategy
from limner.registry.inspection import inspect_plugins
from limner.registry.options import merged_options
from limner.registry.sources import APPS, STRATEGIES, Found, Group, PluginSource

__all__ = [
    "APPS",
    "STRATEGIES",
    "Found",
    "Group",
    "PluginSource",
    "Registry",
    "check_given_plugins",
    "check_plugins",
    "discover",
    "inspect_plugins",
    "make_app",
    "make_strategy",
    "merged_options",
]
