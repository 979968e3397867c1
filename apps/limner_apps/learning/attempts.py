"""Training again where a run diverges, or ends without having learnt a class."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from torch import Tensor

from limner.plugin import PluginError
from limner_apps.learning.state import RunState

_log = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a request is tried."""

S = TypeVar("S", bound=RunState[Any])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finished(Generic[S]):
    """A run that came to its end."""

    state: S
    average: dict[str, Tensor]
    """Averaged parameters, which are what serves."""
    missing: tuple[str, ...]
    """Names of the classes that it has not learnt."""
    seed: int


F = TypeVar("F", bound=Finished[Any])


def train_until_learnt(state: S, attempt: Callable[[S], tuple[F | None, str]]) -> F:
    """Train until a run neither diverges nor misses a class, `ATTEMPTS` times at most.

    Args:
        state: Where to begin, or to go on.
        attempt: Trains once; returns the run, None if it came to no end, and what is wrong with
            it, or nothing.

    Returns:
        The first run with which nothing is wrong, else the one that misses the fewest classes,
        with the notes of all attempts.

    Raises:
        PluginError: No attempt came to an end.
    """
    best: F | None = None
    while True:
        finished, trouble = attempt(state)
        if finished is not None:
            if not trouble:
                return finished
            if best is None or len(finished.missing) < len(best.missing):
                best = finished
        number = state.attempt + 1
        _log.warning("Training attempt %s failed: %s", number, trouble)
        state = state.again(f"Attempt {number} of {ATTEMPTS} failed: {trouble}.")
        if number < ATTEMPTS:
            continue
        if best is None:
            raise PluginError(
                f"The training failed {ATTEMPTS} times, the last time because {trouble}; "
                "look for broken images among the labels, or ask for more steps."
            )
        best.state.notes = state.notes
        return best
