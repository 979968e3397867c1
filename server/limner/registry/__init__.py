"""Which apps and strategies there are: found, checked, and made in worker processes.

Nothing in this package knows a plugin's name, and no broken plugin stops another.
"""

from limner.registry.catalogue import Registry
from limner.registry.checking import check_given_plugins, check_plugins
from limner.registry.code_state import code_chunks, digest_of_path
from limner.registry.discovery import discover, installed_points, marked_duplicates
from limner.registry.factories import make_app, make_strategy
from limner.registry.inspection import inspect_plugins
from limner.registry.interpreters import (
    environment_for,
    limner_version,
    start_problem,
    version_problem,
)
from limner.registry.options import merged_options
from limner.registry.places import check_inside, path_inside
from limner.registry.reading import (
    installed_source,
    read_copies,
    read_installed,
    read_paths,
)
from limner.registry.sources import APPS, STRATEGIES, Found, Group, PluginSource, kind

__all__ = [
    "APPS",
    "STRATEGIES",
    "Found",
    "Group",
    "PluginSource",
    "Registry",
    "check_given_plugins",
    "check_inside",
    "check_plugins",
    "code_chunks",
    "digest_of_path",
    "discover",
    "environment_for",
    "inspect_plugins",
    "installed_points",
    "installed_source",
    "kind",
    "limner_version",
    "make_app",
    "make_strategy",
    "marked_duplicates",
    "merged_options",
    "path_inside",
    "read_copies",
    "read_installed",
    "read_paths",
    "start_problem",
    "version_problem",
]
