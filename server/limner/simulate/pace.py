"""How long a comparison takes, from the seconds of a first short one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limner.errors import SettingsError
from limner.simulate.design import Design, smaller

_FEWEST_SEEDS = 3
_FEWEST_ROUNDS = 4
_SPARE = 0.9
"""Share of the time that is planned for; the rest is for drawing and for what was not foreseen."""

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds of the parts of a round."""

    started_s: float
    """Taking in the images, once an arm."""
    train_s: tuple[float, float]
    """Of the first two trainings; longer ones go on in a straight line."""
    labels: tuple[int, int]
    """That those had."""
    scan_s: float
    """Describing the pool and picking from it."""
    measure_s: float
    other_s: float
    """Of a round, besides."""

    def training(self, labels: int) -> float:
        """Return the seconds of a training with so many labels."""
        (first, second), (few, more) = self.train_s, self.labels
        slope = max(0.0, (second - first) / (more - few))
        return first + slope * (labels - few)

    def seconds(self, design: Design, pool: int, parallel: int) -> float:
        """Return the seconds of a comparison.

        Args:
            design: What is to be done.
            pool: Images to pick from.
            parallel: Pieces of work that are done side by side.
        """
        first, *later = design.budgets
        beginnings = len({each.cold_start for each in design.contenders})
        begun = self.started_s + self.training(first) + self.measure_s + self.other_s
        arm = sum(
            self.training(each) + self.scan_s + self.measure_s + self.other_s for each in later
        )
        bound = self.training(pool) + self.training(design.budgets[-1]) + 2 * self.measure_s
        seeds = len(design.noises) * design.seeds
        work = seeds * (beginnings * begun + len(design.contenders) * arm)
        return (work + design.bounds * bound) / parallel


def pace_of(rounds: Sequence[Mapping[str, Any]], started_s: float) -> Pace:
    """Read the pace off the record of an arm of two rounds."""
    first, second = rounds
    parts = second["seconds"]
    known = parts["train"] + parts["measure"]
    # The scan may have been done ahead, which the round's own time has not in it.
    scan = parts["describe"] + parts["select"]
    return Pace(
        started_s=started_s,
        train_s=(first["seconds"]["train"], second["seconds"]["train"]),
        labels=(first["labels"], second["labels"]),
        scan_s=scan,
        measure_s=parts["measure"],
        other_s=max(0.0, parts["round"] - known - scan),
    )


def fitted(
    design: Design, pace: Pace, pool: int, parallel: int, budget_s: float
) -> tuple[Design, list[str]]:
    """Cut a design to a time: seeds first, then bounds, then rounds.

    Args:
        design: What was asked for.
        pace: How long its parts take.
        pool: Images to pick from.
        parallel: Pieces of work that are done side by side.
        budget_s: The time.

    Returns:
        The design that fits, and what was cut off, in words.

    Raises:
        SettingsError: Not even the smallest does.
    """
    for each in _smaller_ones(design):
        if pace.seconds(each, pool, parallel) <= _SPARE * budget_s:
            return each, _cut(design, each)
    least = pace.seconds(each, pool, parallel) / _SPARE
    raise SettingsError(
        f"{budget_s / 60:.0f} min are too few: {each.seeds} seeds, {each.rounds} rounds and one "
        f"bound take about {least / 60:.0f} min here. Give more time, compare fewer strategies, "
        "or train less (--effort)."
    )


def duration_s(text: str) -> float:
    """Read a time such as `90s`, `20m` or `1.5h`; a number alone is minutes.

    Example:
        >>> duration_s("20m"), duration_s("1.5h"), duration_s("2")
        (1200.0, 5400.0, 120.0)

    Raises:
        SettingsError: It is none, or not above 0.
    """
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "m")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise SettingsError(f"--budget {text!r} is no time; give one such as 20m or 1.5h.")
    return seconds


def _smaller_ones(design: Design) -> Iterator[Design]:
    """Yield the design itself, and smaller ones, each with the most seeds that are left to try."""
    few = min(_FEWEST_ROUNDS, design.rounds)
    for rounds in range(design.rounds, few - 1, -1):
        for bounds in dict.fromkeys((design.bounds, min(1, design.bounds))):
            for seeds in range(design.seeds, min(_FEWEST_SEEDS, design.seeds) - 1, -1):
                yield smaller(design, rounds=rounds, bounds=min(bounds, seeds), seeds=seeds)


def _cut(asked: Design, made: Design) -> list[str]:
    parts = [
        f"{getattr(made, name)} instead of {getattr(asked, name)} {what}"
        for name, what in (
            ("seeds", "seeds"),
            ("rounds", "rounds"),
            ("bounds", "seeds with bounds"),
        )
        if getattr(made, name) != getattr(asked, name)
    ]
    return [f"To fit the time that was given: {', '.join(parts)}."] if parts else []
