"""What a project's configuration must satisfy beside its types. No record is touched here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from limner.errors import InvalidRequest, NotFound, PluginFailed
from limner.plugin import LabelClass, LabelSchema
from limner.records.rows import Project
from limner.registry import Registry, merged_options
from limner.settings import ProjectConfig, ProjectSettings


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


def config_problems(config: ProjectConfig, registry: Registry) -> list[str]:
    """List what is wrong with a configuration, given the plugins that there are."""
    problems = settings_problems(config.app, config.settings, registry)
    try:
        classes = len(schema_of(config).classes)
        most = registry.app(config.app).max_classes
        if most is not None and classes > most:
            problems.append(f"app {config.app!r} takes at most {most} classes, not {classes}")
    except InvalidRequest as error:
        problems += error.problems
    except (NotFound, PluginFailed):
        pass  # told already, with the settings
    return problems


def settings_problems(app: str, settings: ProjectSettings, registry: Registry) -> list[str]:
    """List what is wrong with a project's settings, given the plugins that there are."""
    problems: list[str] = []
    try:
        merged_options(registry.app(app), settings.app_options)
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
        if role == "cold_start" and not manifest.works_without_model:
            problems.append(
                f"cold_start: strategy {name!r} needs {', '.join(sorted(manifest.needs))} of a "
                "model; take one that needs nothing, such as 'random'"
            )
    return problems


def changed_settings(
    project: Project, given: Mapping[str, Any], registry: Registry
) -> ProjectSettings:
    """Return a project's settings with some of them changed.

    Groups such as `gate` and `app_options` are joined one level deep.

    Raises:
        InvalidRequest: A setting is unknown or its value does not fit; `problems` lists them all.
    """
    merged = dict(project.settings)
    for key, value in given.items():
        old = merged.get(key)
        joined = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = {**old, **value} if joined else value  # type: ignore[dict-item]
    try:
        settings = ProjectSettings.model_validate(merged)
        # Names of plugins are checked only where they change: one that is gone meanwhile must not
        # stand in the way of the others.
        named = {"strategy", "cold_start", "app_options"} & set(given)
        problems = settings_problems(project.app, settings, registry) if named else []
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
