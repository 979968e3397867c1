"""The demo from beginning to end: draw, serve, label, train, promote, and stay up."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from limner.client import Limner
from limner.demo.data_set import DataSet, write_data_set
from limner.demo.display import Display, display_on
from limner.demo.drawings import DRAWINGS, Drawing
from limner.demo.stopping import stop_on_signals
from limner.plugin import Task
from limner.simulate import LoopRun, Round, ServerProcess, SimulatedAnnotator

SETTINGS = """\
# What `limner demo` served. Serve it again: limner serve --config {file}
[server]
home = "{home}"

[[projects]]
name = "{project}"
title = "{title}"
app = "{app}"
images = "{images}"
labels = [{labels}]

[projects.settings]
strategy = "{strategy}"
retrain_every = {retrain_every}
modality = "{modality}"
seed = {seed}

[projects.settings.app_options]
{app_options}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What to show."""

    task: Task = Task.SEGMENTATION
    rounds: int = 4
    labels: int | None = None
    """A round; as many as the drawing suggests where no number is given, as of the next two."""
    pool: int | None = None
    unseen: int | None = None
    seed: int = 1
    app: str | None = None
    """Name of the app; the bundled one of the task where none is given."""
    strategy: str = "entropy"
    plugins: tuple[Path, ...] = ()
    port: int = 0
    home: Path | None = None
    """Where everything goes; a temporary folder, deleted at the end, where none is given."""
    stay: bool = True
    """Keep serving afterwards, until Ctrl-C."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """A demo with nothing left open."""

    drawing: Drawing
    folder: Path
    app: str
    app_options: Mapping[str, int]
    effort: float | None
    labels: int
    pool: int
    unseen: int


def run_demo(demo: Demo, console: Console) -> list[Round]:
    """Run the whole demo; return what each round brought.

    Raises:
        LimnerError: Something did not work; nothing that was started here is left running.
    """
    with stop_on_signals() as stopped, _folder(demo.home) as folder:
        shown = _shown(demo, folder)
        console.print(_introduction(shown), markup=False)
        with display_on(console) as display:
            data = _draw(demo, shown, display)
            display.say("Starting the server …")
            server = ServerProcess(_arguments(demo, shown, data), home=folder, port=demo.port)
            server.__enter__()
        try:
            with display_on(console) as display:
                rounds = _loop(demo, shown, server, data, display)
            _conclude(demo, server, folder, rounds, console)
            if demo.stay:
                stopped.wait()
                console.print("Stopping the server …")
        finally:
            server.stop()
    return rounds


def _shown(demo: Demo, folder: Path) -> _Shown:
    drawing = DRAWINGS[demo.task]
    return _Shown(
        drawing=drawing,
        folder=folder,
        app=demo.app or drawing.app,
        app_options={} if demo.app else drawing.app_options,
        effort=None if demo.app else drawing.effort,
        labels=demo.labels or drawing.labels,
        pool=demo.pool or drawing.pool,
        unseen=demo.unseen or drawing.unseen,
    )


def _draw(demo: Demo, shown: _Shown, display: Display) -> DataSet:
    return write_data_set(
        shown.drawing,
        shown.folder / "data",
        demo.seed,
        pool=shown.pool,
        unseen=shown.unseen,
        on_step=lambda done, total: display.step(f"Drawing {shown.drawing.things}", done, total),
    )


def _arguments(demo: Demo, shown: _Shown, data: DataSet) -> list[str]:
    """Write the settings file; return what follows `limner serve`."""
    file = shown.folder / "limner.toml"
    file.write_text(
        SETTINGS.format(
            file=file,
            home=shown.folder,
            project=shown.drawing.project,
            title=shown.drawing.title,
            app=shown.app,
            images=data.images,
            labels=", ".join(f'"{each}"' for each in shown.drawing.classes),
            strategy=demo.strategy,
            retrain_every=shown.labels,
            modality=shown.drawing.modality,
            seed=demo.seed,
            app_options="\n".join(f"{key} = {value}" for key, value in shown.app_options.items()),
        ),
        encoding="utf-8",
    )
    plugins = [part for each in demo.plugins for part in ("--plugin", str(each))]
    return ["--config", str(file), *plugins]


def _loop(
    demo: Demo, shown: _Shown, server: ServerProcess, data: DataSet, display: Display
) -> list[Round]:
    display.say(f"The server answers at {server.url} after {server.ready_s:.1f} s.")
    with Limner(server.url, actor="demo") as limner:
        project = limner.project(shown.drawing.project)
        annotator = SimulatedAnnotator(limner, project, data.truth, name="simulated")
        loop = LoopRun(
            limner, project, annotator, data.unseen, on_job=display.job, on_step=display.step
        )
        loop.prepare(len(data.truth) + len(data.unseen))
        if shown.effort is not None:
            # A training that the server starts by itself is a whole one.
            project.change(settings={"retrain_every": 0})
        rounds = []
        for _ in range(demo.rounds):
            rounds.append(loop.round(shown.labels, shown.effort))
            display.row(rounds[-1])
        if shown.effort is not None:
            project.change(settings={"retrain_every": shown.labels})
    return rounds


def _introduction(shown: _Shown) -> str:
    return (
        f"Limner's main job, on {shown.pool} drawn {shown.drawing.things} with {shown.unseen} "
        f"unseen ones, in {shown.folder}.\nA simulated annotator labels what the server asks for, "
        f"{shown.labels} a round; the server trains, tests and promotes."
    )


def _conclude(
    demo: Demo, server: ServerProcess, folder: Path, rounds: list[Round], console: Console
) -> None:
    seconds = sum(each.seconds for each in rounds)
    console.print(f"{len(rounds)} rounds in {seconds:.0f} s.")
    if demo.stay:
        for title, text in (
            ("The server stays up", server.url),
            ("Docs", f"{server.url}/docs"),
            ("Status", f"limner status --url {server.url}"),
            ("Files", str(folder) + ("" if demo.home else " (deleted at the end)")),
            ("Stop", "Ctrl-C"),
        ):
            console.print(f"{title:<21}{text}", markup=False)


@contextmanager
def _folder(home: Path | None) -> Iterator[Path]:
    if home is None:
        with tempfile.TemporaryDirectory(
            prefix="limner-demo-", ignore_cleanup_errors=True
        ) as folder:
            yield Path(folder)
    else:
        folder_given = home.expanduser().resolve()
        folder_given.mkdir(parents=True, exist_ok=True)
        yield folder_given
