"""The server of one arm, without its web: the settings, and the service put together."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from limner.loop.service import Service
from limner.records.database import Records
from limner.registry import Registry
from limner.settings import EngineSettings, ProjectConfig, ProjectSettings, Settings
from limner.simulate.arm_engine import ArmEngine
from limner.simulate.contenders import RANDOM
from limner.simulate.design import Design
from limner.simulate.work_items import WorkItem

PROJECT = "simulated"
ANNOTATOR = "simulated"

OWN_SETTINGS = (
    "strategy",
    "strategy_options",
    "cold_start",
    "retrain_every",
    "retrain_minutes",
    "readings",
    "lease_minutes",
    "keep_versions",
    "queue_length",
    "seed",
)
"""Settings of a project that the comparison sets itself."""

_LEASE_MINUTES = 10_080


def project_settings(design: Design, item: WorkItem) -> ProjectSettings:
    """Return the settings of the project of an arm or a beginning."""
    if item.contender is None:
        # Nobody asks for descriptions yet: what picks next is the arms' own.
        picks: dict[str, Any] = {"strategy": RANDOM, "cold_start": item.cold_start}
        batch = design.start
    else:
        picks = {
            "strategy": item.contender.strategy,
            "strategy_options": dict(item.contender.options),
            "cold_start": item.contender.cold_start,
        }
        batch = batch_of(design, 2)
    return ProjectSettings.model_validate(
        {
            **design.settings,
            **picks,
            "retrain_every": 0,
            "lease_minutes": _LEASE_MINUTES,
            "keep_versions": 2,
            "queue_length": queue_for(batch),
            "seed": item.seed,
        }
    )


def batch_of(design: Design, number: int) -> int:
    """Return how many labels a round adds; that of the first is the start set."""
    budgets = [0, *design.budgets]
    return budgets[number] - budgets[number - 1]


def queue_for(batch: int) -> int:
    """Return the length of a queue that is not asked to be filled up before a batch is taken.

    A server asks for more picks where its queue falls to a fifth. In a comparison each batch comes
    from one look at the pool, at whatever moment the jobs run.
    """
    return math.ceil(1.25 * batch) + 1


def arm_service(
    design: Design, item: WorkItem, home: Path, engine: ArmEngine, registry: Registry
) -> Service:
    """Put the service of an arm together as a server does; nothing runs yet.

    Args:
        design: The comparison.
        item: The arm, or a beginning.
        home: Folder of its database and files.
        engine: Shared by the arms of a process.
        registry: The plugins.
    """
    config = ProjectConfig(
        name=PROJECT,
        app=design.app,
        images=Path(design.images),
        labels=dict(design.labels),
        settings=project_settings(design, item),
    )
    settings = Settings(
        home=home,
        plugins=tuple(Path(each) for each in design.plugins),
        projects=(config,),
    )
    return Service(settings, Records.open(home), engine, registry)


def arm_engine(registry: Registry, log_folder: Path, *, threads: int, device: str) -> ArmEngine:
    """Make the engine of a process that runs arms."""
    settings = EngineSettings(device=device, predictor_threads=threads, learner_threads=threads)
    return ArmEngine(settings, registry, log_folder)
