"""The tables of the page of results, written from the JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"


def results_table(name: str) -> Iterator[str]:
    """Describe what a comparison found: `name` is that of a file of `docs/results`."""
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    title = found["measure"]["title"]
    yield f"> {found['conclusion']}\n"
    yield (
        f"{len(found['seeds'])} paired seeds, {found['test_cases']} images to measure on, a pool "
        f"of {found['pool']}; {title} with all labels {found['full_score']:.3f}, with the labels "
        f"of other images {found['trivial_score']:.3f}.\n"
    )
    heads = ["strategy", *(f"{each} labels" for each in found["labels"]), "area under the curve"]
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for strategy, told in found["strategies"].items():
        points = " | ".join(f"{each['mean']:.3f}" for each in told["curve"])
        yield f"| `{strategy}` | {points} | {_interval(told['aubc'], 'mean')} |"
    targets = list(next(iter(found["strategies"].values()))["labels_to"])
    yield f"\n| labels to | {' | '.join(f'{each} % of full' for each in targets)} |"
    yield f"| --- | {' | '.join('---' for _ in targets)} |"
    for strategy, told in found["strategies"].items():
        is_opponent = strategy == found["opponent"]
        cells = [_reached(told["labels_to"][each], is_opponent) for each in targets]
        yield f"| `{strategy}` | {' | '.join(cells)} |"
    yield "\n× : so many times as many does random need, with the 95 % interval over seeds.\n"
    yield from (f"- {note}" for note in found["notes"])


def _reached(told: Mapping[str, Any], is_opponent: bool) -> str:
    if told["estimate"] is None:
        return "not reached"
    ratio = told["ratio_to_random"]
    is_told = ratio["estimate"] is not None and not is_opponent
    times = f", {_interval(ratio, 'estimate', '×', 2)}" if is_told else ""
    return f"{told['estimate']:.0f}{times}"


def _interval(told: Mapping[str, Any], key: str, unit: str = "", digits: int = 3) -> str:
    low, high = (
        "?" if told[side] is None else f"{told[side]:.{digits}f}" for side in ("low", "high")
    )
    return f"{told[key]:.{digits}f}{unit} ({low} to {high})"
