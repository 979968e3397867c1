"""What a person sees of a comparison: a bar in a terminal, a line a training elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from limner.simulate.compare import Display
from limner.simulate.work_items import WorkItem


@contextmanager
def display_on(console: Console) -> Iterator[Display]:
    """Choose what suits the output, and clear the bars away at the end of the block."""
    if not console.is_terminal:
        yield PlainDisplay(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield LiveDisplay(bars)


class PlainDisplay:
    """A line for every training; no control characters."""

    def __init__(self, console: Console) -> None:
        """Take where to print."""
        self._console = console
        self._what = ""
        self._done = self._total = 0

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False)

    def step(self, what: str, done: int, total: int) -> None:
        """Print what begins."""
        if what != self._what:
            self._what = what
            self.say(f"{what} …")

    def begin(self, done: int, total: int) -> None:
        """Say how many trainings there are."""
        self._done, self._total = done, total
        already = f", {done} of them done already" if done else ""
        self.say(f"{total} trainings{already}.")

    def event(self, item: WorkItem, event: Mapping[str, Any]) -> None:
        """Print what a training has brought."""
        if event["event"] == "round":
            self._done += 1
            self.say(f"{self._done:>4} of {self._total}  {round_words(item, event)}")


class LiveDisplay:
    """A bar of the trainings, and one of whatever goes on before."""

    def __init__(self, bars: Progress) -> None:
        """Take the bars."""
        self._bars = bars
        self._all: TaskID | None = None
        self._step: TaskID | None = None

    def say(self, text: str) -> None:
        """Show a line above the bars."""
        self._bars.console.print(text, markup=False)

    def step(self, what: str, done: int, total: int) -> None:
        """Show a bar for it, until the trainings begin."""
        if self._step is None:
            self._step = self._bars.add_task(what, total=total)
        self._bars.update(self._step, description=what, completed=done, total=total)

    def begin(self, done: int, total: int) -> None:
        """Show the bar of the trainings."""
        for each in (self._step, self._all):
            if each is not None:
                self._bars.remove_task(each)
        self._step, self._all = None, self._bars.add_task("Training", total=total, completed=done)

    def event(self, item: WorkItem, event: Mapping[str, Any]) -> None:
        """Move the bar on, and show what a training has brought."""
        if event["event"] != "round":
            return
        self.say(round_words(item, event))
        if self._all is not None:
            self._bars.advance(self._all)


def round_words(item: WorkItem, event: Mapping[str, Any]) -> str:
    """Write what a training has brought, on one line."""
    value = event.get("value")
    score = f"{event.get('title', 'score')} {'–' if value is None else f'{value:.3f}'}"
    seconds = event["seconds"].get("train", 0.0)
    return f"{item.key}: {event['labels']} labels, {score}, trained in {seconds:.0f} s"
