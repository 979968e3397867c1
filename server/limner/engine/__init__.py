"""Where heavy work runs: processes of this machine, or later a Ray cluster."""

from limner.engine.interface import (
    CaseSource,
    Engine,
    ModelRef,
    PartWanted,
    Priority,
    TrainTask,
    WorkerStatus,
)

__all__ = [
    "CaseSource",
    "Engine",
    "ModelRef",
    "PartWanted",
    "Priority",
    "TrainTask",
    "WorkerStatus",
]
