"""What somebody asks for: a comparison, and whether it can be done at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from limner.errors import SettingsError
from limner.loop.project_config import class_problems, settings_problems
from limner.plugin import Ability, Need
from limner.registry import Registry
from limner.settings import ProjectConfig
from limner.simulate.arm_home import OWN_SETTINGS, PROJECT
from limner.simulate.contenders import Contender
from limner.simulate.project_truth import LabelledProject

_LARGEST_BATCH_LOG = math.log(1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A comparison as somebody asks for it; `Design` says what the numbers mean."""

    images: Path
    truth: Path | LabelledProject
    """Finished labels as `serve --adopt` takes them, or a project that people have labelled."""
    labels: list[str] | dict[str, int]
    app: str
    strategies: Sequence[str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the projects."""
    strategy_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    plugins: Sequence[Path] = ()
    seeds: int = 10
    start: int = 10
    batch: int = 10
    growth: float = 1.0
    rounds: int = 8
    test: str = "0.25"
    test_table: Path | None = None
    pool: int = 0
    effort: float = 1.0
    from_scratch: bool = False
    every_version: bool = True
    noise: float = 0.0
    bounds: int = 3


def check_numbers(asked: Asked) -> None:
    """Check the numbers that need no look at the images.

    Raises:
        SettingsError: One is out of its range.
    """
    least = {"seeds": 1, "start": 1, "batch": 1, "rounds": 2, "pool": 0, "bounds": 0}
    for name, lowest in least.items():
        value = getattr(asked, name)
        if value < lowest:
            raise SettingsError(f"--{name} {value} is too few; give at least {lowest}.")
    if not 1.0 <= asked.growth <= 10.0:
        raise SettingsError(f"--growth {asked.growth:g} is not between 1 and 10.")
    if math.log(asked.batch) + (asked.rounds - 2) * math.log(asked.growth) > _LARGEST_BATCH_LOG:
        raise SettingsError(
            f"With --growth {asked.growth:g} the last of {asked.rounds} rounds would take more "
            "labels than anyone has; take fewer rounds or less growth."
        )
    if not 0.0 < asked.effort <= 4.0:
        raise SettingsError(f"--effort {asked.effort:g} is not above 0 and at most 4.")
    if not 0.0 <= asked.noise < 1.0:
        raise SettingsError(f"--noise {asked.noise:g} is not a share from 0 to below 1.")


def config_of(asked: Asked) -> ProjectConfig:
    """Return the configuration of the projects of a comparison.

    Raises:
        SettingsError: A setting cannot be used, or is one that the comparison sets itself.
    """
    for name in asked.settings:
        if name in OWN_SETTINGS:
            raise SettingsError(f"--set {name} cannot be given: the comparison sets it itself.")
    try:
        return ProjectConfig.model_validate(
            {
                "name": PROJECT,
                "app": asked.app,
                "images": asked.images,
                "labels": asked.labels,
                "settings": dict(asked.settings),
            }
        )
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()
        )
        raise SettingsError(f"The projects of the comparison cannot be made: {told}.") from None


def check_plugins(
    config: ProjectConfig, classes: int, made: Sequence[Contender], registry: Registry
) -> None:
    """Refuse what the app or a strategy could not do, before hours are spent on the others.

    Args:
        config: Of the projects.
        classes: How many there are.
        made: The strategies.
        registry: The plugins.

    Raises:
        SettingsError: Something does not fit; every problem is told.
    """
    problems = class_problems(config.app, classes, registry)
    lacking = {Ability.TRAIN, Ability.EVALUATE} - registry.app(config.app).abilities
    if config.settings.query_size is not None:
        problems.append("query_size: only whole images can be simulated; leave it out")
    problems += [f"app {config.app!r} cannot {each.value}" for each in sorted(lacking)]
    for each in made:
        own = {
            "strategy": each.strategy,
            "strategy_options": dict(each.options),
            "cold_start": each.cold_start,
        }
        settings = config.settings.model_copy(update=own)
        problems += settings_problems(config.app, settings, registry)
        is_measured = Need.BOUGHT in registry.strategy(each.strategy).needs
        if is_measured and settings.validation_share <= 0:
            problems.append(
                f"strategy {each.strategy!r} goes by what trials measure on a validation set, and "
                "there is none: give it labels, as in --set validation_share=0.2"
            )
    if problems:
        told = "; ".join(dict.fromkeys(problems))
        raise SettingsError(f"This cannot be compared: {told}.")
