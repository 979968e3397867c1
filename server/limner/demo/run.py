"""The demo from beginning to end: draw, serve, label, train, promote, and stay up."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console

from limner.client import Limner
from limner.demo.data_set import POOL, UNSEEN, DataSet, write_data_set
from limner.demo.display import Display, display_on
from limner.demo.phantom import CLASSES
from limner.simulate import LoopRun, Round, ServerProcess, SimulatedAnnotator

PROJECT = "phantoms"

SETTINGS = """\
# What `limner demo` served. Serve it again: limner serve --config {file}
[server]
home = "{home}"

[[projects]]
name = "{project}"
title = "Drawn phantoms: an organ of two parts"
app = "{app}"
images = "{images}"
labels = [{labels}]

[projects.settings]
strategy = "{strategy}"
retrain_every = {retrain_every}
modality = "MR"
seed = {seed}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What to show."""

    rounds: int = 4
    labels: int = 6
    """A round."""
    pool: int = POOL
    unseen: int = UNSEEN
    seed: int = 1
    app: str = "segmentation"
    strategy: str = "entropy"
    plugins: tuple[Path, ...] = ()
    port: int = 0
    home: Path | None = None
    """Where everything goes; a temporary folder, deleted at the end, where none is given."""
    stay: bool = True
    """Keep serving afterwards, until Ctrl-C."""


def run_demo(demo: Demo, console: Console) -> list[Round]:
    """Run the whole demo; return what each round brought.

    Raises:
        LimnerError: Something did not work; nothing that was started here is left running.
    """
    with _stop_on_signals() as stopped, _folder(demo.home) as folder:
        console.print(_introduction(demo, folder), markup=False)
        with display_on(console) as display:
            data = _draw(demo, folder, display)
            display.say("Starting the server …")
            server = ServerProcess(_arguments(demo, folder, data), home=folder, port=demo.port)
            server.__enter__()
        try:
            with display_on(console) as display:
                rounds = _loop(demo, server, data, display)
            _conclude(demo, server, folder, rounds, console)
            if demo.stay:
                stopped.wait()
                console.print("Stopping the server …")
        finally:
            server.stop()
    return rounds


def _draw(demo: Demo, folder: Path, display: Display) -> DataSet:
    return write_data_set(
        folder / "data",
        demo.seed,
        pool=demo.pool,
        unseen=demo.unseen,
        on_step=lambda done, total: display.step("Drawing volumes", done, total),
    )


def _arguments(demo: Demo, folder: Path, data: DataSet) -> list[str]:
    """Write the settings file; return what follows `limner serve`."""
    file = folder / "limner.toml"
    file.write_text(
        SETTINGS.format(
            file=file,
            home=folder,
            project=PROJECT,
            app=demo.app,
            images=data.images,
            labels=", ".join(f'"{each}"' for each in CLASSES),
            strategy=demo.strategy,
            retrain_every=demo.labels,
            seed=demo.seed,
        ),
        encoding="utf-8",
    )
    plugins = [part for each in demo.plugins for part in ("--plugin", str(each))]
    return ["--config", str(file), *plugins]


def _loop(demo: Demo, server: ServerProcess, data: DataSet, display: Display) -> list[Round]:
    display.say(f"The server answers at {server.url} after {server.ready_s:.1f} s.")
    with Limner(server.url, actor="demo") as limner:
        project = limner.project(PROJECT)
        annotator = SimulatedAnnotator(limner, project, data.truth, name="simulated")
        loop = LoopRun(
            limner, project, annotator, data.unseen, on_job=display.job, on_step=display.step
        )
        loop.prepare(len(data.truth) + len(data.unseen))
        rounds = []
        for _ in range(demo.rounds):
            rounds.append(loop.round(demo.labels))
            display.row(rounds[-1])
    return rounds


def _introduction(demo: Demo, folder: Path) -> str:
    return (
        f"Limner's main job, on {demo.pool} drawn volumes with {demo.unseen} unseen ones, in "
        f"{folder}.\nA simulated annotator labels what the server asks for, {demo.labels} a round; "
        "the server trains, tests and promotes."
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


class _Waiting:
    """Ends `wait` when a signal has come; before that, a signal interrupts the work itself."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._waits = False

    def told(self, number: int, frame: FrameType | None) -> None:
        self._event.set()
        if not self._waits:
            raise KeyboardInterrupt

    def wait(self) -> None:
        self._waits = True
        self._event.wait()


@contextmanager
def _stop_on_signals() -> Iterator[_Waiting]:
    waiting = _Waiting()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {
        each: signal.signal(each, waiting.told) for each in numbers
    }
    try:
        yield waiting
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
