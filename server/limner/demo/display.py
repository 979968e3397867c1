"""What a person sees of the demo: a growing table and bars in a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from limner.client import Job
from limner.simulate import Round

JOBS = {
    "train": "Training, and testing whether to promote",
    "score": "Scanning the pool for what to label next",
    "predict": "Predicting ahead",
}

MEASURES = {"dice": "Dice", "pq": "PQ"}
"""How a table writes measures whose names are no plain words."""

_NARROWEST = len("promoted")


class Display(Protocol):
    """Told of everything as it happens."""

    def say(self, text: str) -> None:
        """Show a line for good."""
        ...

    def step(self, what: str, done: int, total: int) -> None:
        """Show how far something is."""
        ...

    def job(self, job: Job) -> None:
        """Show how far a job of the server is."""
        ...

    def row(self, found: Round) -> None:
        """Add a round to the table."""
        ...


@contextmanager
def display_on(console: Console) -> Iterator[Display]:
    """Choose what suits the output, and clear the bars away at the end of the block."""
    if not console.is_terminal:
        yield PlainDisplay(console)
        return
    shown = LiveDisplay(console)
    with shown.live:
        try:
            yield shown
        finally:
            shown.clear()


def headings(first: Round) -> tuple[str, ...]:
    """Headings of the table, which name the measures of its first round."""
    return (
        "Round",
        "Labels",
        "Version",
        "Decision",
        f"Validation {_named(first.validation_measure)}",
        f"Unseen {_named(first.unseen_measure)}",
        "Training s",
        "Seconds",
    )


def cells(found: Round) -> tuple[str, ...]:
    """One round as texts, in the order of `headings`."""
    return (
        str(found.number),
        str(found.labels),
        "-" if found.serving is None else str(found.serving),
        {"promote": "promoted", "refuse": "refused"}.get(found.outcome, found.outcome or "-"),
        _score(found.validation_score),
        _score(found.unseen_score),
        f"{found.training_s:.0f}",
        f"{found.seconds:.0f}",
    )


class LiveDisplay:
    """A table that grows, with a bar under it for what goes on."""

    def __init__(self, console: Console) -> None:
        """Make the table, which gets its columns with its first row; `live` shows it."""
        self._table = Table(title="The loop", title_justify="left")
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._what = ""
        self._task: TaskID | None = None
        self._console = console
        self.live = Live(get_renderable=self._shown, console=console, refresh_per_second=8)

    def _shown(self) -> Group:
        """What is on the screen now: no table before its first row, no bar when nothing goes on."""
        parts: list[Table | Progress] = [self._table] if self._table.row_count else []
        return Group(*parts, *([self._bars] if self._task is not None else []))

    def clear(self) -> None:
        """Take the bar away: nothing goes on."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task, self._what = None, ""

    def say(self, text: str) -> None:
        """Show a line above the table."""
        self._console.print(text, markup=False)

    def step(self, what: str, done: int, total: int) -> None:
        """Show a bar for it."""
        self._bar(what, done, total, f"{done} of {total}")

    def job(self, job: Job) -> None:
        """Show a bar for it, with the loss and the time left where they are known."""
        self._bar(
            JOBS.get(job.kind, job.kind), job.progress.step, job.progress.total or None, _words(job)
        )

    def row(self, found: Round) -> None:
        """Add a row, and take the bar away until something else goes on."""
        self.clear()
        if not self._table.columns:
            for heading in headings(found):
                self._table.add_column(heading, justify="right")
        self._table.add_row(*cells(found))

    def _bar(self, what: str, done: int, total: int | None, words: str) -> None:
        if self._task is None or what != self._what:
            self.clear()
            self._task, self._what = self._bars.add_task(what, total=total, words=words), what
        self._bars.update(self._task, completed=done, total=total, words=words)


class PlainDisplay:
    """A line for every round and for everything that begins; no control characters."""

    def __init__(self, console: Console) -> None:
        """Take where to print."""
        self._console = console
        self._what = ""
        self._headings: tuple[str, ...] = ()

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False, soft_wrap=True)

    def step(self, what: str, done: int, total: int) -> None:
        """Print what begins."""
        self._begin(what)

    def job(self, job: Job) -> None:
        """Print that a job runs."""
        if job.state == "running":
            self._begin(JOBS.get(job.kind, job.kind))

    def row(self, found: Round) -> None:
        """Print the round under the headings."""
        if not self._headings:
            self._headings = headings(found)
            self._line(self._headings)
        self._line(cells(found))
        self._what = ""

    def _line(self, texts: tuple[str, ...]) -> None:
        pairs = zip(texts, self._headings, strict=True)
        widths = ((text, max(len(heading), _NARROWEST)) for text, heading in pairs)
        self.say("  ".join(text.rjust(width) for text, width in widths))

    def _begin(self, what: str) -> None:
        if what != self._what:
            self._what = what
            self.say(f"{what} …")


def _words(job: Job) -> str:
    parts = [f"{job.progress.step} of {job.progress.total}"] if job.progress.total else [job.state]
    parts += [f"{name} {value:.3f}" for name, value in list(job.progress.losses.items())[:1]]
    if job.progress.eta_s is not None:
        parts.append(f"{job.progress.eta_s:.0f} s left")
    return ", ".join(parts)


def _named(measure: str) -> str:
    return MEASURES.get(measure, measure.replace("_", " ")) or "score"


def _score(score: float | None) -> str:
    return "-" if score is None else f"{score:.3f}"
