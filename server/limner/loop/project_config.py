"""What a project's configuration must satisfy beside its types. No record is touched here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from limner.errors import InvalidRequest, NotFound, PluginFailed
from limner.loop.adopted_sources import SINGLE_FILES, single_file_task
from limner.loop.opening import may_open, needs_of_a_model
from limner.plugin import Ability, AppManifest, LabelClass, LabelSchema, StrategyManifest, Task
from limner.records.rows import Project
from limner.registry import Registry, merged_options
from limner.settings import ProjectConfig, ProjectSettings

_STRATEGIES: Mapping[Task, str] = {
    Task.SEGMENTATION: "clasp",
    Task.CLASSIFICATION: "uncertain-then-diverse",
    Task.INSTANCES: "entropy",
}
"""What picks for a project that names no strategy."""

_NAMES_PLUGINS = {
    "strategy",
    "strategy_options",
    "cold_start",
    "app_options",
    "multi_label",
    "query_size",
    "readings",
}
"""Settings that plugins have a say in."""


def schema_of(config: ProjectConfig) -> LabelSchema:
    """Return the classes that a configuration asks for.

    Raises:
        InvalidRequest: No class, or a name or value that cannot be used.
    """
    try:
        if isinstance(config.labels, list):
            return LabelSchema.of(*config.labels)
        ordered = sorted(config.labels.items(), key=lambda item: item[1])
        return LabelSchema(
            classes=tuple(LabelClass(name=name, value=value) for name, value in ordered)
        )
    except ValueError as error:
        raise InvalidRequest(str(error), problems=[str(error)]) from error


def settings_for(config: ProjectConfig, task: Task) -> ProjectSettings:
    """Return the settings that a configuration asks for, with the task's strategy for none."""
    if "strategy" in config.settings.model_fields_set:
        return config.settings
    return config.settings.model_copy(update={"strategy": _STRATEGIES[task]})


def config_problems(config: ProjectConfig, registry: Registry) -> list[str]:
    """List what is wrong with a configuration, given the plugins that there are."""
    problems = settings_problems(config.app, config.settings, registry)
    try:
        problems += class_problems(config.app, len(schema_of(config).classes), registry)
    except InvalidRequest as error:
        problems += error.problems
    return problems + adopt_problems(config, registry)


def adopt_problems(config: ProjectConfig, registry: Registry) -> list[str]:
    """List what keeps finished labels from being adopted from where a configuration says."""
    if config.adopt is None:
        return []
    try:
        task = registry.app(config.app).task
    except (NotFound, PluginFailed):
        return []  # told with the settings
    shown = str(config.adopt)
    single = single_file_task(config.adopt)
    if single not in (None, task):
        return [
            f"adopt {shown!r} is a file of labels of {single}; app {config.app!r} is for {task}"
        ]
    if not config.adopt.exists():
        return [f"adopt {shown!r} is not there"]
    if single is None and not config.adopt.is_dir():
        kinds = ", ".join(SINGLE_FILES)
        return [f"adopt {shown!r} is neither a folder nor a file that can be adopted ({kinds})"]
    if task is Task.SEGMENTATION and config.adopt.resolve() == config.images.resolve():
        return [f"adopt {shown!r} is the folder of images; masks need a folder of their own"]
    return []


def class_problems(app: str, classes: int, registry: Registry) -> list[str]:
    """List what keeps an app from taking so many classes; nothing where there is no such app."""
    try:
        most = registry.app(app).max_classes
    except (NotFound, PluginFailed):
        return []  # told with the settings
    if most is not None and classes > most:
        return [f"app {app!r} takes at most {most} classes, not {classes}"]
    return []


def settings_problems(app: str, settings: ProjectSettings, registry: Registry) -> list[str]:
    """List what is wrong with a project's settings, given the plugins that there are."""
    problems: list[str] = []
    try:
        wanted = registry.app(app)
        merged_options(wanted, settings.app_options)
        if settings.multi_label and wanted.task != Task.CLASSIFICATION:
            problems.append(
                f"multi_label is for classification; app {app!r} is for {wanted.task.value}"
            )
        problems += query_problems(wanted, settings)
    except InvalidRequest as error:
        problems += error.problems
    except (NotFound, PluginFailed) as error:
        problems.append(str(error))
    for role in ("strategy", "cold_start"):
        name = getattr(settings, role)
        try:
            manifest = registry.strategy(name)
        except (NotFound, PluginFailed) as error:
            problems.append(f"{role}: {error}")
            continue
        if role == "cold_start" and not may_open(manifest):
            problems.append(
                f"cold_start: strategy {name!r} needs {needs_of_a_model(manifest)} of a model; "
                "take one that needs nothing, such as 'random', or embeddings alone, such as "
                "'typiclust'"
            )
        if role == "strategy":
            problems += _option_problems(manifest, settings.strategy_options)
    return problems


def query_problems(app: AppManifest, settings: ProjectSettings) -> list[str]:
    """List what keeps a project from asking for parts of images."""
    size = settings.query_size
    if size is None:
        return []
    problems = []
    if app.task != Task.SEGMENTATION:
        problems.append(f"query_size is for segmentation; app {app.name!r} is for {app.task.value}")
    elif Ability.REGIONS not in app.abilities:
        problems.append(
            f"query_size: app {app.name!r} lacks the ability 'regions'; it can neither find a part "
            "of an image nor learn from one"
        )
    if len(size) not in app.dimensions:
        problems.append(
            f"query_size {size} has {len(size)} axes; app {app.name!r} takes images of "
            f"{' or '.join(map(str, sorted(app.dimensions)))}"
        )
    if not any(size):
        problems.append(f"query_size {size} is the whole image; leave it out for that")
    if settings.readings != 1:
        problems.append(
            f"query_size: each sample is read {settings.readings} times; parts need readings = 1"
        )
    return problems


def _option_problems(manifest: StrategyManifest, given: Mapping[str, Any]) -> Sequence[str]:
    try:
        merged_options(manifest, given)
    except InvalidRequest as error:
        return [f"strategy {manifest.name!r}: {problem}" for problem in error.problems]
    return []


def changed_settings(
    project: Project, given: Mapping[str, Any], registry: Registry, app: str
) -> ProjectSettings:
    """Return a project's settings with some of them changed.

    Groups such as `gate` and `app_options` are joined one level deep. Another app or strategy than
    the project's begins without options.

    Raises:
        InvalidRequest: A setting is unknown or its value does not fit; `problems` lists them all.
    """
    merged = dict(project.settings)
    if app != project.app:
        merged["app_options"] = {}
    if given.get("strategy", merged.get("strategy")) != merged.get("strategy"):
        merged["strategy_options"] = {}
    for key, value in given.items():
        old = merged.get(key)
        joined = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = {**old, **value} if joined else value  # type: ignore[dict-item]
    try:
        settings = ProjectSettings.model_validate(merged)
        # Names of plugins are checked only where they change: one that is gone meanwhile must not
        # stand in the way of the others.
        named = _NAMES_PLUGINS & set(given)
        is_checked = named or app != project.app
        problems = settings_problems(app, settings, registry) if is_checked else []
        if app != project.app:
            problems += class_problems(app, len(project.schema), registry)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    if problems:
        raise InvalidRequest(
            "The settings cannot be used: " + "; ".join(problems) + ".", problems=problems
        )
    return settings


def keeps_classes(old: Sequence[Mapping[str, Any]], new: LabelSchema) -> bool:
    """Tell whether every class of an old schema is in a new one, with its value."""
    values = {each.name: each.value for each in new.classes}
    return all(values.get(each["name"]) == each["value"] for each in old)
