"""Where a plugin comes from, and what discovery says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from limner.plugin import Manifest

Group: TypeAlias = Literal["limner.apps", "limner.strategies"]
"""An entry point group; files and folders sort their manifests into the same two."""

APPS: Final[Group] = "limner.apps"
STRATEGIES: Final[Group] = "limner.strategies"


def kind(group: Group) -> str:
    """Name what a group holds: `app` or `strategy`."""
    return "app" if group == APPS else "strategy"


@dataclass(frozen=True, slots=True)
class PluginSource:
    """Where to find one plugin. Small and picklable: a worker process resolves it itself."""

    group: Group
    name: str
    """The manifest's name; where no manifest could be read, the entry point's or the file's."""
    location: str
    """`module:attribute` of an installed manifest, or the absolute path of a file or folder."""
    python: str = ""
    """Absolute path of the interpreter its workers run in; empty for the server's own."""
    revision: int = 0
    """0 for what was there at the start; grows whenever its code is registered anew, so that
    workers which have loaded older code are told from those that shall load this."""
    copy: str = ""
    """Absolute path of the copy that is imported in place of `location`; empty where there is none:
    `location` is imported then, as it is at that moment."""

    @property
    def path(self) -> Path | None:
        """The file or folder that people know; None for an installed plugin."""
        path = Path(self.location)
        return path if path.is_absolute() else None


@dataclass(frozen=True, slots=True)
class Found:
    """One plugin as discovery saw it."""

    source: PluginSource
    manifest: Manifest | None
    """None where none could be read; `problems` then says why."""
    problems: tuple[str, ...] = ()
    """Everything that keeps it from being used."""
    digest: str = ""
    """State of its code when it was read; empty where that could not be told."""

    @property
    def is_usable(self) -> bool:
        """Whether there is a manifest and nothing speaks against it."""
        return self.manifest is not None and not self.problems
