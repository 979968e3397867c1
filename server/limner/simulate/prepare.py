"""Making a comparison ready: what was asked for is checked, and every label is read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from limner.errors import SettingsError
from limner.loop.adopted_sources import Finished
from limner.loop.project_config import schema_of
from limner.plugin import LabelSchema, Task
from limner.registry import Registry
from limner.simulate.arm import Material
from limner.simulate.arm_home import OWN_SETTINGS
from limner.simulate.asked import Asked, check_numbers, check_plugins, config_of
from limner.simulate.contenders import contenders
from limner.simulate.design import Design
from limner.simulate.project_truth import LabelledProject
from limner.simulate.split import split_of
from limner.simulate.truth import Truth
from limner.simulate.truth_search import OnStep, digest_of, found_in, matched, read_truth
from limner.stores.entries import Entry, Problem

_MOST_NAMED = 5


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
    check_numbers(asked)
    config = config_of(asked)
    registry = Registry(tuple(asked.plugins))
    manifest = registry.app(asked.app)
    made = contenders(asked.strategies, asked.strategy_options, registry)
    schema, task = schema_of(config), manifest.task
    check_plugins(config, len(schema.classes), made, registry)
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
