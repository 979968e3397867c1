"""Where a training stands, and how it is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, Self, TypeVar

from torch import Tensor

from limner.plugin import Json
from limner_apps.learning.checkpoint import Checkpoints


class Planned(Protocol):
    """A plan that JSON can say."""

    def as_json(self) -> dict[str, Json]:
        """Return plain values, the same after a way through JSON."""
        ...


P = TypeVar("P", bound=Planned)


@dataclass(slots=True, kw_only=True)
class RunState(Generic[P]):
    """Where a training stands between two steps."""

    plan: P
    attempt: int = 0
    """How many trainings were given up before this one."""
    step: int = 0
    """Steps done."""
    notes: list[str] = field(default_factory=list)
    network: dict[str, Tensor] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)
    optimiser: dict[str, Any] = field(default_factory=dict)
    """As torch's optimisers write it."""
    losses: dict[str, float] = field(default_factory=dict)
    """By name, smoothed."""

    @classmethod
    def read(
        cls, kept: Mapping[str, Any], read_plan: Callable[[dict[str, Any]], P], **more: Any
    ) -> Self:
        """Read what `save` kept.

        Args:
            kept: As `Checkpoints.load` returns it.
            read_plan: Makes the plan from its plain values.
            more: Fields that an app's own state has beside these.
        """
        header = kept["header"]
        return cls(
            plan=read_plan(header["plan"]),
            attempt=int(header["attempt"]),
            step=int(header["step"]),
            notes=list(header["notes"]),
            losses={name: float(loss) for name, loss in header["losses"].items()},
            network=kept["network"],
            average=kept["average"],
            optimiser=kept["optimiser"],
            **more,
        )

    def again(self, remark: str) -> Self:
        """Return the beginning of the next attempt, noting how this one ended."""
        return replace(
            self,
            attempt=self.attempt + 1,
            step=0,
            notes=[*self.notes, remark],
            network={},
            average={},
            optimiser={},
            losses={},
        )

    def header(self) -> dict[str, Any]:
        """Return what JSON can say of it."""
        return {
            "plan": self.plan.as_json(),
            "attempt": self.attempt,
            "step": self.step,
            "notes": self.notes,
            "losses": self.losses,
        }

    def save(self, checkpoints: Checkpoints) -> None:
        """Keep it, complete or not at all."""
        tensors = {
            "network": self.network,
            "average": self.average,
            "optimiser": self.optimiser,
        }
        checkpoints.save(self.header(), tensors)
