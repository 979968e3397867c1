"""`limner demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limner.cli.terminal import out
from limner.plugin import Task

TaskKind = Annotated[Task, typer.Option(help="Kind of answer, and of data that is drawn for it.")]
Labels = Annotated[
    int | None,
    typer.Option(min=1, help="Labels a round (what suits the task).", show_default=False),
]
Pool = Annotated[
    int | None,
    typer.Option(min=2, help="Images to label from (what suits the task).", show_default=False),
]
Unseen = Annotated[
    int | None,
    typer.Option(
        min=1, help="Images that are only predicted (what suits the task).", show_default=False
    ),
]
App = Annotated[
    str | None,
    typer.Option(
        help="App that predicts and learns (the bundled one of the task).", show_default=False
    ),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="File or folder of a plugin; may be given several times."),
]


def demo(
    task: TaskKind = Task.SEGMENTATION,
    rounds: Annotated[int, typer.Option(min=1, help="How many rounds.")] = 4,
    labels: Labels = None,
    pool: Pool = None,
    unseen: Unseen = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides the images and the picks.")] = 1,
    app: App = None,
    strategy: Annotated[str, typer.Option(help="What chooses the next samples.")] = "entropy",
    plugin: Plugins = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = 0,
    home: Annotated[
        Path | None, typer.Option(help="Folder to keep everything in (a temporary one).")
    ] = None,
    exit: Annotated[bool, typer.Option("--exit", help="End instead of staying up.")] = False,
    data_only: Annotated[
        Path | None,
        typer.Option(help="Only draw the images and their labels, into this folder."),
    ] = None,
) -> None:
    """Show the main job on drawn data: label, train, promote, better answers; then stay up."""
    if data_only is not None:
        from limner.demo.data_set import write_data_set
        from limner.demo.drawings import DRAWINGS

        drawing = DRAWINGS[task]
        data = write_data_set(drawing, data_only, seed, pool=pool or drawing.pool, unseen=0)
        out.print(
            f"{len(data.truth)} {drawing.things} in {data.images}, their labels in "
            f"{data_only / 'labels'}"
        )
        return
    from limner.demo.run import Demo, run_demo

    chosen = Demo(
        task=task,
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
