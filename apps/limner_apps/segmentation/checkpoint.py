"""The state of a training that was interrupted, and the request that it belongs to."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from limner.plugin import TrainRequest
from limner_apps.segmentation import manifest
from limner_apps.segmentation.plan import Plan
from limner_apps.segmentation.weights import load_tensors, save_tensors

_EVERY_S = 15.0


def request_fingerprint(request: TrainRequest) -> str:
    """Name a request by all that decides its result, so that only its own checkpoint fits."""
    parent = None
    if request.parent is not None:
        parent = hashlib.sha256(request.parent.read_bytes()).hexdigest()
    parts: list[Any] = [
        manifest.version,
        [[each.name, each.value] for each in request.schema.classes],
        [[case.id, case.fingerprint, case.is_new] for case in request.train],
        [[case.id, case.fingerprint] for case in request.validation],
        parent,
        request.seed,
        request.effort,
        request.device,
        sorted((name, repr(value)) for name, value in request.options.items()),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(slots=True, kw_only=True)
class RunState:
    """Where a training stands between two steps."""

    plan: Plan
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


class Checkpoints:
    """Keeps the last state of a training in its workspace.

    Args:
        workspace: The training's folder.
        fingerprint: Of the request.
    """

    def __init__(self, workspace: Path, fingerprint: str) -> None:
        self._path = workspace / "checkpoint.pt"
        self._fingerprint = fingerprint
        self._saved_at = time.monotonic()

    def load(self) -> RunState | None:
        """Return the state of this request's training; None when there is none that is sound."""
        content = load_tensors(self._path)
        if content is None or content.get("fingerprint") != self._fingerprint:
            return None
        header = json.loads(content["header"])
        return RunState(
            plan=Plan.from_json(header["plan"]),
            attempt=int(header["attempt"]),
            step=int(header["step"]),
            notes=list(header["notes"]),
            loss=float(header["loss"]),
            network=content["network"],
            average=content["average"],
            optimiser=content["optimiser"],
        )

    @property
    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self._saved_at >= _EVERY_S

    def save(self, state: RunState) -> None:
        """Write the state by rename."""
        header = {
            "plan": state.plan.as_json(),
            "attempt": state.attempt,
            "step": state.step,
            "notes": state.notes,
            "loss": state.loss,
        }
        content = {
            "fingerprint": self._fingerprint,
            "header": json.dumps(header),
            "network": state.network,
            "average": state.average,
            "optimiser": state.optimiser,
        }
        save_tensors(self._path, content)
        self._saved_at = time.monotonic()

    def clear(self) -> None:
        """Forget the state: the training has ended."""
        self._path.unlink(missing_ok=True)
