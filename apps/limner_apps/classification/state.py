"""Where a training of a classification stands, and how it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from limner_apps.classification.plan import Plan
from limner_apps.learning.checkpoint import Checkpoints


@dataclass(slots=True, kw_only=True)
class RunState:
    """Where a training stands between two steps."""

    plan: Plan
    imbalance: str
    """How rare classes get their weight; of `imbalance.WAYS`."""
    attempt: int = 0
    """How many trainings were given up before this one."""
    step: int = 0
    """Steps done."""
    notes: list[str] = field(default_factory=list)
    network: dict[str, Tensor] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)
    optimiser: dict[str, Any] = field(default_factory=dict)
    """As torch's optimisers write it."""
    loss: float = 0.0
    """Smoothed."""

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> RunState:
        """Read what `save` kept."""
        header = kept["header"]
        return cls(
            plan=Plan.from_json(header["plan"]),
            imbalance=str(header["imbalance"]),
            attempt=int(header["attempt"]),
            step=int(header["step"]),
            notes=list(header["notes"]),
            loss=float(header["loss"]),
            network=kept["network"],
            average=kept["average"],
            optimiser=kept["optimiser"],
        )

    def save(self, checkpoints: Checkpoints) -> None:
        """Keep it, complete or not at all."""
        header = {
            "plan": self.plan.as_json(),
            "imbalance": self.imbalance,
            "attempt": self.attempt,
            "step": self.step,
            "notes": self.notes,
            "loss": self.loss,
        }
        tensors = {
            "network": self.network,
            "average": self.average,
            "optimiser": self.optimiser,
        }
        checkpoints.save(header, tensors)
