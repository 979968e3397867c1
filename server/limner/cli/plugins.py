"""`limner plugins`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.cli.exits import Exit
from limner.cli.terminal import out

if TYPE_CHECKING:
    from limner.registry import Found, Registry

Paths = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="File or folder of a plugin; may be given several times."),
]
Check = Annotated[
    bool,
    typer.Option(
        "--check", help="Also load each plugin, in a process of its own; may take a minute."
    ),
]


def plugins(plugin: Paths = None, check: Check = False) -> None:
    """List all apps and strategies, broken ones with all their problems.

    Ends with exit code 1 when any plugin has a problem.
    """
    from limner.registry import Registry

    registry = Registry(tuple(each.expanduser().resolve() for each in plugin or ()))
    if check:
        _check(registry)
    _show(registry.found)
    if any(each.problems for each in registry.found):
        raise typer.Exit(Exit.FAILED)


def _check(registry: Registry) -> None:
    from limner.registry import check_plugins

    with out.status("Loading every plugin …"):
        check_plugins(registry, registry.found)


def _show(found: tuple[Found, ...]) -> None:
    from rich.table import Table
    from rich.text import Text

    from limner.plugin import AppManifest, StrategyManifest

    table = Table("Kind", "Name", "Version", "What it is", "From", "Problems", box=None)
    for each in found:
        manifest = each.manifest
        table.add_row(
            each.source.group.removeprefix("limner.").removesuffix("s").replace("ie", "y"),
            Text(each.source.name),
            Text(str(manifest.version) if manifest else "?"),
            Text(manifest.title if manifest else "?"),
            Text(each.source.location),
            Text("\n".join(each.problems), "red") if each.problems else Text("none", "green"),
        )
        if isinstance(manifest, AppManifest):
            abilities = ", ".join(sorted(map(str, manifest.abilities)))
            axes = " and ".join(f"{axis}D" for axis in sorted(manifest.dimensions))
            table.add_row("", "", "", Text(f"{manifest.task}, {axes}; {abilities}", "dim"))
        elif isinstance(manifest, StrategyManifest) and each.is_usable:
            needs = ", ".join(sorted(map(str, manifest.needs))) or "nothing"
            options = f"; options {', '.join(manifest.options)}" if manifest.options else ""
            table.add_row("", "", "", Text(f"needs {needs}{options}", "dim"))
    out.print(table, soft_wrap=False)
