"""`limner export`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from limner.cli.connecting import ATTEMPTS, DEFAULT_URL, Token, Url
from limner.cli.terminal import err, out
from limner.errors import SettingsError


class Format(StrEnum):
    """Layouts of an export."""

    NNUNET = "nnunet"
    MSD = "msd"
    COCO = "coco"
    MAPS = "maps"
    CSV = "csv"
    FOLDERS = "folders"


def export(
    project: Annotated[str, typer.Argument(help="Name of the project.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Zip file to write.")],
    format: Annotated[
        Format | None,
        typer.Option(
            help="Layout inside the zip file: nnunet or msd for masks, coco or maps for instances, "
            "csv or folders for classes; the first of its task where none is named."
        ),
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Download a project's images with their finished labels as a zip file."""
    from rich.progress import DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    from limner.client import Limner

    if not target.parent.is_dir():
        raise SettingsError(f"There is no folder {target.parent} to write {target.name} into.")
    columns = (TextColumn("{task.description}"), DownloadColumn(), TimeElapsedColumn())
    with (
        Limner(url, token, attempts=ATTEMPTS) as limner,
        Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar,
    ):
        task = bar.add_task(f"Exporting {project}", total=None)
        limner.project(project).export(
            target,
            format=None if format is None else format.value,
            on_bytes=lambda done, total: bar.update(task, completed=done, total=total),
        )
    out.print(f"Wrote {target} ({target.stat().st_size / 2**20:.1f} MiB).", markup=False)
