"""Making a comparison ready: what was asked for is checked, and every label is read once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from limner.errors import SettingsError
from limner.loop.adopted_sources import Finished
from limner.loop.project_config import class_problems, schema_of, settings_problems
from limner.plugin import Ability, LabelSchema, Task
from limner.registry import Registry
from limner.settings import ProjectConfig
from limner.simulate.arm import Material
from limner.simulate.arm_home import OWN_SETTINGS, PROJECT
from limner.simulate.contenders import Contender, contenders
from limner.simulate.design import Design
from limner.simulate.project_truth import LabelledProject
from limner.simulate.split import split_of
from limner.simulate.truth import Truth
from limner.simulate.truth_search import OnStep, digest_of, found_in, matched, read_truth
from limner.stores.entries import Entry, Problem

_MOST_NAMED = 5
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


def prepared(asked: Asked, folder: Path, on_step: OnStep) -> Material:
    """Check what was asked for, read the labels, and put images aside for the test.

    Args:
        asked: What was asked for.
        folder: Of results; labels that are no files of their own are kept there.
        on_step: Told how many labels have been read.

    Raises:
        SettingsError: Something cannot be used; the message says what.
        InvalidRequest: The classes cannot be used.
        NotFound: There is no such app or strategy.
        PluginFailed: The app or a strategy cannot be used.
    """
    _check_numbers(asked)
    config = _config(asked)
    registry = Registry(tuple(asked.plugins))
    manifest = registry.app(asked.app)
    made = contenders(asked.strategies, asked.strategy_options, registry)
    schema, task = schema_of(config), manifest.task
    _check_plugins(config, len(schema.classes), made, registry)
    entries, found = _found(asked, schema, task)
    problems: dict[str, str] = {}
    matches = matched(entries, found, problems)
    digest = digest_of(matches)
    truth = Truth.load(folder, digest) or read_truth(
        matches,
        folder,
        images=asked.images,
        modality=config.settings.modality,
        schema=schema,
        task=task,
        problems=problems,
        on_step=on_step,
    )
    if not truth.known:
        raise SettingsError(_no_truth(asked, truth.problems))
    names = {name for each in made for name in (each.strategy, each.cold_start)}
    settings = config.settings.model_dump(mode="json", exclude_defaults=True)
    design = Design(
        images=str(asked.images),
        truth=_words(asked.truth),
        truth_digest=digest,
        labels={each.name: each.value for each in schema.classes},
        task=task.value,
        app=asked.app,
        app_version=manifest.version,
        settings={key: each for key, each in settings.items() if key not in OWN_SETTINGS},
        plugins=[str(each) for each in asked.plugins],
        contenders=made,
        strategy_versions={name: registry.strategy(name).version for name in sorted(names)},
        seeds=asked.seeds,
        start=asked.start,
        batch=asked.batch,
        growth=asked.growth,
        rounds=asked.rounds,
        test=asked.test,
        pool=asked.pool,
        effort=asked.effort,
        from_scratch=asked.from_scratch,
        every_version=asked.every_version,
        noise=asked.noise,
        bounds=min(asked.bounds, asked.seeds),
    )
    split = split_of(truth, asked.test, asked.pool, asked.test_table or _table(asked.truth))
    if design.budgets[-1] > len(split.pool):
        raise SettingsError(
            f"{design.budgets[-1]} labels are wanted in the last round, and the pool has "
            f"{len(split.pool)} images; take fewer rounds, smaller batches or a smaller test set."
        )
    return Material(design=design, truth=truth, split=split)


def _config(asked: Asked) -> ProjectConfig:
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


def _check_plugins(
    config: ProjectConfig, classes: int, made: Sequence[Contender], registry: Registry
) -> None:
    """Refuse what the app or a strategy could not do, before hours are spent on the others."""
    problems = class_problems(config.app, classes, registry)
    lacking = {Ability.TRAIN, Ability.EVALUATE} - registry.app(config.app).abilities
    problems += [f"app {config.app!r} cannot {each.value}" for each in sorted(lacking)]
    for each in made:
        own = {
            "strategy": each.strategy,
            "strategy_options": dict(each.options),
            "cold_start": each.cold_start,
        }
        settings = config.settings.model_copy(update=own)
        problems += settings_problems(config.app, settings, registry)
    if problems:
        told = "; ".join(dict.fromkeys(problems))
        raise SettingsError(f"This cannot be compared: {told}.")


def _check_numbers(asked: Asked) -> None:
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


def _found(
    asked: Asked, schema: LabelSchema, task: Task
) -> tuple[list[Entry], Sequence[Finished | Problem]]:
    if isinstance(asked.truth, LabelledProject):
        return list(asked.truth.entries), asked.truth.found
    if not asked.truth.exists():
        raise SettingsError(f"There are no labels at {asked.truth}.")
    return found_in(asked.truth, asked.images, schema, task)


def _words(truth: Path | LabelledProject) -> str:
    return f"project {truth.name}" if isinstance(truth, LabelledProject) else str(truth)


def _table(truth: Path | LabelledProject) -> Path | None:
    return truth if isinstance(truth, Path) and truth.suffix.lower() == ".csv" else None


def _no_truth(asked: Asked, problems: Mapping[str, str]) -> str:
    some = [f"{place}: {words}" for place, words in list(problems.items())[:_MOST_NAMED]]
    why = f" What is wrong begins with: {' '.join(some)}" if some else ""
    return (
        f"No label of {_words(asked.truth)} fits an image of {asked.images}, so there is nothing "
        f"to compare against.{why}"
    )
