"""`limner new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limner.cli.new_project import Kind, Names, write_project
from limner.cli.terminal import out

What = Annotated[Kind, typer.Argument(help="What to write.", show_default=False)]
Name = Annotated[str, typer.Argument(help="Its name: lower-case letters, digits and inner dashes.")]
Folder = Annotated[Path | None, typer.Option(help="Where to write it (./NAME); missing or empty.")]


def new(kind: What, name: Name, folder: Folder = None) -> None:
    """Write a small project for an app or a strategy of your own, which works as it is.

    Example: limner new app bright-spots
    """
    names = Names.of(kind, name)
    target = (folder or Path(name)).expanduser().absolute()
    write_project(kind, names, target)
    option = "--app" if kind is Kind.APP else "--strategy"
    shown = folder or name
    rows = [
        (f"New {kind}", f"{name} in {target}"),
        ("Check it", f"cd {shown} && pip install -e '.[test]' && pytest"),
        ("Serve it", f"limner serve IMAGES {option} {name} --labels liver,tumour"),
        ("Change it", f"{names.package}/ holds the code, README.md says what is where"),
    ]
    for title, text in rows:
        out.print(f"{title:<14}{text}", markup=False)
