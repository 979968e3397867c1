"""What a new plugin is called: its own name, its package's, its title; and which cannot be used."""

from __future__ import annotations

import keyword
import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib.machinery import PathFinder
from importlib.metadata import entry_points

from limner.errors import SettingsError
from limner.plugin import StrategyManifest, manifest_problems


class Kind(StrEnum):
    """What can be made."""

    APP = "app"
    STRATEGY = "strategy"

    @property
    def group(self) -> str:
        """The entry point group that it belongs to."""
        return "limner.apps" if self is Kind.APP else "limner.strategies"


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a new plugin."""

    plugin: str
    """As in its manifest, such as `bright-spots`."""
    package: str
    """What Python imports, such as `bright_spots`."""
    title: str
    """For people, such as `Bright spots`."""

    @classmethod
    def of(cls, kind: Kind, name: str) -> Names:
        """Make the names of a plugin from the one that was given.

        Raises:
            SettingsError: The name cannot be a plugin's or its package's, or is taken; the message
                says why.
        """
        for problem in _name_problems(name):
            raise SettingsError(f"The {problem}.")
        package = name.replace("-", "_")
        if not package.isidentifier():
            raise SettingsError(
                f"The name {name!r} makes the package {package!r}, which Python cannot import; let "
                "it begin with a letter."
            )
        if keyword.iskeyword(package) or package in sys.stdlib_module_names:
            raise SettingsError(
                f"The name {name!r} makes the package {package!r}, which is a word or a module of "
                "Python's own; choose another."
            )
        _refuse_taken(kind, name, package)
        return cls(name, package, name.replace("-", " ").capitalize())


def _name_problems(name: str) -> list[str]:
    """Ask the contract: a manifest that is sound but for its name."""
    manifest = StrategyManifest(
        name=name, version="0", factory=":a", needs=frozenset(), title=name, licence="-"
    )
    return manifest_problems(manifest)


def _refuse_taken(kind: Kind, name: str, package: str) -> None:
    for point in entry_points(group=kind.group, name=name):
        raise SettingsError(
            f"A plugin that is installed is called {name!r} already ({point.value}); choose "
            "another name."
        )
    # The project keeps its tests beside the package, in a folder of that name.
    there = PathFinder.find_spec(package)
    if package == "tests" or (there is not None and there.origin is not None):
        raise SettingsError(
            f"The name {name!r} makes the package {package!r}, and there is another package of "
            "that name already; choose another."
        )
