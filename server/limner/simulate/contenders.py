"""The strategies that are compared: each with what opens it, and their baselines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limner.errors import SettingsError
from limner.loop.opening import may_open, needs_of_a_model
from limner.registry import Registry

RANDOM = "random"
"""Opens every strategy that needs something, where no other is named to open it, and is what the
others are compared with."""

ARROW = "→"
_ARROWS = re.compile(r"\s*(?:→|->)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A strategy as it is compared."""

    cold_start: str
    """What picks before there is a model."""
    strategy: str
    """What picks from then on."""
    options: Mapping[str, Any]
    """Of the strategy."""
    name: str
    """As in the results: `entropy`, or `first→entropy` where the first batch is not random."""

    @property
    def is_random(self) -> bool:
        """Whether all of it is random, by its names: `random`, or such as `stratified-random`."""
        return all(RANDOM in each.split("-") for each in (self.cold_start, self.strategy))

    @property
    def slug(self) -> str:
        """The name for files."""
        return re.sub(r"[^a-z0-9-]+", "-then-", self.name.lower())


def contenders(
    names: Sequence[str], options: Mapping[str, Mapping[str, Any]], registry: Registry
) -> tuple[Contender, ...]:
    """Read the names of strategies; a random one is added in front where there is none.

    Args:
        names: `entropy`, or `first→entropy` (also `->`) for one that opens and one that goes
            on. A strategy that needs nothing opens for itself, every other one begins with what
            `random` picks; `typiclust→typiclust` opens by the pixels instead.
        options: Of strategies, by their names.
        registry: The plugins that there are.

    Raises:
        SettingsError: No name, one twice, one to open that needs a model, or options of a strategy
            that is not among them.
        NotFound: There is no such strategy.
        PluginFailed: It cannot be used.
    """
    made = [_contender(each, options, registry) for each in names]
    if not made:
        raise SettingsError("Name the strategies to compare, as in --strategies random,entropy.")
    if not any(each.is_random for each in made):
        made.insert(0, _contender(RANDOM, options, registry))
    found = [each.name for each in made]
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise SettingsError(
            f"Strategy {twice[0]!r} is named twice; it would be compared with itself."
        )
    strange = sorted(set(options) - {each.strategy for each in made})
    if strange:
        raise SettingsError(
            f"Options are given for strategy {strange[0]!r}, which is not compared; the strategies "
            f"are {', '.join(found)}."
        )
    return tuple(made)


def _contender(
    text: str, options: Mapping[str, Mapping[str, Any]], registry: Registry
) -> Contender:
    parts = _ARROWS.split(text.strip())
    if len(parts) > 2 or not all(parts):
        raise SettingsError(
            f"{text!r} names no strategy; write entropy, or first{ARROW}entropy for one that "
            "picks the first batch and one that picks the others."
        )
    strategy = parts[-1]
    opens = registry.strategy(strategy).works_without_model
    cold_start = parts[0] if len(parts) == 2 else (strategy if opens else RANDOM)
    opening = registry.strategy(cold_start)
    if not may_open(opening):
        raise SettingsError(
            f"{text!r} cannot open with {cold_start!r}: it needs {needs_of_a_model(opening)} of a "
            "model. One that needs nothing can, or embeddings alone, such as 'typiclust'."
        )
    return Contender(
        cold_start=cold_start,
        strategy=strategy,
        options=dict(options.get(strategy, {})),
        name=ARROW.join(parts),
    )
