"""Where a training of a classification stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from limner_apps.classification.plan import Plan
from limner_apps.learning.state import RunState


@dataclass(slots=True, kw_only=True)
class WeighedState(RunState[Plan]):
    """Where it stands between two steps, and how it weighs classes."""

    imbalance: str
    """How rare classes get their weight; of `imbalance.WAYS`."""

    def header(self) -> dict[str, Any]:
        """Return what JSON can say of it."""
        return {**RunState.header(self), "imbalance": self.imbalance}
