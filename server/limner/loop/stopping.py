"""Signals that a project may have enough labels. They are shown; nothing is ever stopped by them.

What they mean and how far they can be trusted is in the how-to on knowing when to stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from limner.loop.agreement import MEASURES
from limner.plugin import Task
from limner.records.stability import VersionAgreement

NEWEST = 20
"""Labels of which the newest agreement is told; and so many before them, for comparison."""
LOOKED_AT = 500
"""The newest compared labels that are looked at."""
SETTLED = 0.97
"""Agreement from which annotators hardly change what they are offered."""
STABLE = {"dice": 0.97, "pq": 0.97, "kappa": 0.99}
"""Agreement from which a version says the same as the one before."""
ROUNDS = 3
"""So many in a row make predictions stable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionCorrection:
    """How far labels left the predictions of one version as they were."""

    number: int
    labels: int
    agreement: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """How far annotators leave what they are offered as it is."""

    measure: str
    """`dice`, `pq` or `same`."""
    labels: int
    """Of the newest 500 that could be compared."""
    newest: float | None
    """Of the newest 20: the median; of classes the share that was left as it was."""
    earlier: float | None
    """Of the 20 before; None while there are not so many."""
    is_settled: bool
    """Whether there are 20 labels, and `newest` is at least 0.97."""
    versions: list[VersionCorrection]
    """By the version that was offered, oldest first."""


def correction(task: Task, found: Sequence[tuple[float, int]]) -> Correction:
    """Sum up how far labels left what was offered as it was.

    Args:
        task: Of the project.
        found: (agreement, number of the version that was offered) of each label, newest first.
    """
    typical = fmean if task is Task.CLASSIFICATION else median
    values = [value for value, _ in found]
    newest = typical(values[:NEWEST]) if values else None
    earlier = values[NEWEST : 2 * NEWEST]
    by_version: dict[int, list[float]] = {}
    for value, number in found:
        by_version.setdefault(number, []).append(value)
    return Correction(
        measure=MEASURES[task],
        labels=len(values),
        newest=newest,
        earlier=typical(earlier) if len(earlier) == NEWEST else None,
        is_settled=newest is not None and len(values) >= NEWEST and newest >= SETTLED,
        versions=[
            VersionCorrection(number=number, labels=len(each), agreement=typical(each))
            for number, each in sorted(by_version.items())
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """How far each version agrees with the one that served before."""

    versions: list[VersionAgreement]
    """Oldest first; those that could be compared."""
    rounds: int
    """How many of the newest, in a row, agree: by 0.97, of kappa by 0.99."""
    is_stable: bool
    """Whether these are at least three."""


def stability(versions: Sequence[VersionAgreement]) -> Stability:
    """Sum up how far versions agree with those before them, oldest first."""
    rounds = 0
    for each in reversed(versions):
        if each.agreement < STABLE[each.measure]:
            break
        rounds += 1
    return Stability(versions=list(versions), rounds=rounds, is_stable=rounds >= ROUNDS)
