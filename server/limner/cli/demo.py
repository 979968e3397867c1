"""`limner demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limner.cli.terminal import out

App = Annotated[str, typer.Option(help="App that draws and learns.")]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="File or folder of a plugin; may be given several times."),
]


def demo(
    rounds: Annotated[int, typer.Option(min=1, help="How many rounds.")] = 4,
    labels: Annotated[int, typer.Option(min=1, help="Labels a round.")] = 6,
    pool: Annotated[int, typer.Option(min=2, help="Volumes to label from.")] = 60,
    unseen: Annotated[int, typer.Option(min=1, help="Volumes that are only predicted.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Decides the volumes and the picks.")] = 1,
    app: App = "segmentation",
    strategy: Annotated[str, typer.Option(help="What chooses the next samples.")] = "entropy",
    plugin: Plugins = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = 0,
    home: Annotated[
        Path | None, typer.Option(help="Folder to keep everything in (a temporary one).")
    ] = None,
    exit: Annotated[bool, typer.Option("--exit", help="End instead of staying up.")] = False,
    data_only: Annotated[
        Path | None,
        typer.Option(help="Only draw the volumes and their labels, into this folder."),
    ] = None,
) -> None:
    """Show the main job on drawn data: label, train, promote, better masks; then stay up."""
    if data_only is not None:
        from limner.demo.data_set import write_data_set

        data = write_data_set(data_only, seed, pool=pool, unseen=0)
        out.print(f"{pool} volumes in {data.images}, their labels in {data_only / 'labels'}")
        return
    from limner.demo.run import Demo, run_demo

    chosen = Demo(
        rounds=rounds,
        labels=labels,
        pool=pool,
        unseen=unseen,
        seed=seed,
        app=app,
        strategy=strategy,
        plugins=tuple(each.expanduser().resolve() for each in plugin or ()),
        port=port,
        home=home,
        stay=not exit,
    )
    run_demo(chosen, out)
