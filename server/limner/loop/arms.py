"""How the arms of a project's strategy stand: their labels, and what trials have found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from limner.plugin import CONTROL_ARM, Bought


class Standing(StrEnum):
    """What is known of an arm."""

    CONTROL = "control"
    """The others are measured against it."""
    MORE = "more"
    """It has bought more than the control arm: the whole interval is above 0."""
    LESS = "less"
    """It has bought less: the whole interval is below 0."""
    OPEN = "open"
    """The trials so far do not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way of picking that a strategy mixes with others."""

    arm: str
    labels: int
    """How many of its picks were labelled."""
    standing: Standing
    bought: Bought | None
    """None before a trial, and of the control arm."""

    def as_json(self) -> dict[str, Any]:
        """Return plain values; null for what is not known, such as the ends of one trial's gain."""
        found = self.bought
        is_bounded = found is not None and found.trials > 1
        return {
            "arm": self.arm,
            "labels": self.labels,
            "standing": self.standing.value,
            "trials": 0 if found is None else found.trials,
            "compared": 0 if found is None else found.labels,
            "measure": None if found is None else found.measure,
            "gain": None if found is None else found.gain,
            "low": found.low if found is not None and is_bounded else None,
            "high": found.high if found is not None and is_bounded else None,
        }


def arms_of(labels: Mapping[str, int], bought: Mapping[str, Bought]) -> list[Arm]:
    """Return how the arms stand, the control arm first, then by name.

    Args:
        labels: How many picks of each arm were labelled.
        bought: What trials have found, by arm.
    """
    names = sorted({*labels, *bought}, key=lambda name: (name != CONTROL_ARM, name))
    return [
        Arm(
            arm=name,
            labels=labels.get(name, 0),
            standing=_standing(name, bought.get(name)),
            bought=bought.get(name),
        )
        for name in names
    ]


def _standing(name: str, found: Bought | None) -> Standing:
    if name == CONTROL_ARM:
        return Standing.CONTROL
    if found is not None and found.is_more:
        return Standing.MORE
    return Standing.LESS if found is not None and found.is_less else Standing.OPEN
