"""A whole comparison: made ready, cut to a time, done piece by piece, and written down."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from limner.errors import EngineError
from limner.simulate import results as results_file
from limner.simulate.arm import Material
from limner.simulate.arm_pool import ArmPool
from limner.simulate.asked import Asked
from limner.simulate.design import Kept, kept_design, smaller
from limner.simulate.measures import AUTO, shown_score
from limner.simulate.outcomes import read_outcomes
from limner.simulate.pace import fitted, pace_of
from limner.simulate.plots import draw_all
from limner.simulate.prepare import prepared
from limner.simulate.record import Record
from limner.simulate.report import report_of
from limner.simulate.results_folder import held
from limner.simulate.split import check_same
from limner.simulate.whole_files import write_json, write_whole
from limner.simulate.work_items import WorkItem, work_items

REPORT = "report.html"


class Display(Protocol):
    """Told how a comparison goes on."""

    def say(self, text: str) -> None:
        """Show a line for good."""
        ...

    def step(self, what: str, done: int, total: int) -> None:
        """Show how far something is."""
        ...

    def begin(self, done: int, total: int) -> None:
        """Show how many trainings there are, and how many are done already."""
        ...

    def event(self, item: WorkItem, event: Mapping[str, Any]) -> None:
        """Show what a piece of work tells; a round has the `title` and `value` that count."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a comparison runs on; nothing of it changes a result."""

    parallel: int = 2
    """Pieces of work side by side."""
    threads: int = 1
    """Of each of them."""
    device: str = "auto"
    budget_s: float | None = None
    """The time to fit the design to; None for as long as it takes."""
    measure: str = AUTO
    """What is compared."""


def compare(asked: Asked, out: Path, means: Means, display: Display) -> dict[str, Any]:
    """Do what is left of a comparison, and write its results, pictures and report.

    Args:
        asked: What to compare. The same as before goes on where a folder stands.
        out: Folder of results.
        means: What it runs on.
        display: Told how it goes on.

    Returns:
        The content of `results.json`.

    Raises:
        SettingsError: Something that was asked for cannot be used, or the folder holds another
            comparison.
        HomeInUse: Another comparison runs in the folder.
        EngineError: A piece of work failed; what is done has been written down all the same.
        Conflict: No seed is done.
    """
    with held(out, asked.images):
        return _compared(asked, out, means, display)


def _compared(asked: Asked, out: Path, means: Means, display: Display) -> dict[str, Any]:
    material = prepared(asked, out, lambda done, total: display.step("Reading labels", done, total))
    kept = kept_design(out, material.design)
    is_new = Kept.load(out) is None
    if not is_new:
        check_same(out, material.split)
    if is_new and means.budget_s is not None:
        kept = _fitted(material, out, means, display)
    _save(material, kept, out)
    for words in kept.dropped:
        display.say(words)
    failed = _work(kept, out, means, display)
    if failed:
        display.say(f"{len(failed)} pieces of work failed; the same command tries them again.")
        for key, words in list(failed.items())[:5]:
            display.say(f"  {key}: {words}")
    results = written(material, kept, out, means.measure)
    if failed and (results["left_out"] or len(results["seeds"]) < kept.fitted.seeds):
        raise EngineError(f"Not everything is done; what is done is in {out / REPORT}.")
    return results


def written(material: Material, kept: Kept, out: Path, measure: str) -> dict[str, Any]:
    """Write the results of what is done: `results.json`, the pictures, and the report.

    Raises:
        Conflict: No seed is done.
        SettingsError: The app reports no such measure, or matplotlib is not installed.
    """
    outcomes = read_outcomes(out, kept.fitted, material.truth, measure)
    results = results_file.results_of(kept, material.split, outcomes)
    write_json(out / results_file.FILE, results)
    pictures = draw_all(results)
    for name, content in pictures.items():
        write_whole(out / "plots" / f"{name}.png", content)
    write_whole(out / REPORT, report_of(results, pictures).encode())
    return results


def _save(material: Material, kept: Kept, out: Path) -> None:
    material.truth.save(out, material.design.truth_digest)
    material.split.save(out)
    kept.save(out)


def _fitted(material: Material, out: Path, means: Means, display: Display) -> Kept:
    """Try two rounds of the last strategy, and cut the design to the time that there is."""
    assert means.budget_s is not None  # noqa: S101 - asked for by the only caller
    asked = material.design
    trial = out / "trial"
    one = smaller(asked, contenders=asked.contenders[-1:], seeds=1, rounds=2, bounds=0, noise=0.0)
    kept = Kept(asked=one, fitted=one)
    left = Kept.load(trial)
    if left is not None and left.fitted.digest != one.digest:
        shutil.rmtree(trial, ignore_errors=True)  # it was a trial of something else
    _save(replace(material, design=one), kept, trial)
    display.say("Trying two rounds, to see how long they take.")
    failed = _work(kept, trial, means, display)
    if failed:
        raise EngineError(f"The trial failed: {'; '.join(failed.values())}")
    arm = next(each for each in work_items(one) if each.kind == "arm")
    begun = next(each for each in work_items(one) if each.kind == "beginning")
    rounds = Record.load(arm.record(trial), {}, one.digest).rounds
    started_s = Record.load(begun.record(trial), {}, one.digest).started_s
    pace = pace_of(rounds, started_s)
    design, dropped = fitted(asked, pace, len(material.split.pool), means.parallel, means.budget_s)
    shutil.rmtree(trial, ignore_errors=True)
    return Kept(asked=asked, fitted=design, dropped=tuple(dropped))


def _work(kept: Kept, out: Path, means: Means, display: Display) -> dict[str, str]:
    """Do every piece of work that is not done; return what failed, in words by key."""
    design = kept.fitted
    every = list(work_items(design))
    done = {each.key for each in every if _is_done(each, out, design.digest)}
    todo = _needed(every, done, out)
    total = sum(each.units for each in every)
    display.begin(total - sum(_units_left(each, out, design.digest) for each in every), total)

    def on_event(item: WorkItem, event: Mapping[str, Any]) -> None:
        if event["event"] == "done":
            done.add(item.key)
            _tidy(every, done, out)
        if event["event"] == "round" and event["test"] is not None:
            title, value = shown_score(event["test"], design.kind, means.measure)
            event = {**event, "title": title, "value": value}
        display.event(item, event)

    if not todo:
        return {}
    with ArmPool(
        out,
        parallel=means.parallel,
        threads=means.threads,
        device=means.device,
        on_event=on_event,
    ) as pool:
        return pool.run(todo)


def _is_done(item: WorkItem, out: Path, digest: str) -> bool:
    return _units_left(item, out, digest) == 0


def _units_left(item: WorkItem, out: Path, digest: str) -> int:
    rounds = len(Record.load(item.record(out), {}, digest).rounds)
    return min(item.units, item.rounds - rounds)


def _needed(every: Sequence[WorkItem], done: set[str], out: Path) -> list[WorkItem]:
    """List what is left to do; a beginning only where an arm still has to be copied from it."""
    homeless = {
        each.after
        for each in every
        if each.kind == "arm" and each.key not in done and not (each.work(out) / "home").is_dir()
    }
    needed = []
    for each in every:
        if each.kind == "beginning":
            has_home = (each.work(out) / "home").is_dir()
            if each.key in homeless and not (each.key in done and has_home):
                if each.key in done:
                    # What it has left to go on from is gone: it is done anew.
                    each.record(out).unlink()
                needed.append(each)
        elif each.key not in done:
            needed.append(each)
    return needed


def _tidy(every: Sequence[WorkItem], done: set[str], out: Path) -> None:
    """Remove the folders of finished work that nothing goes on from."""
    waited_for = {each.after for each in every if each.kind == "arm" and each.key not in done}
    for each in every:
        if each.key in done and each.key not in waited_for:
            shutil.rmtree(each.work(out), ignore_errors=True)
