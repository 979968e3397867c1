"""Which projects use a plugin, and whether a changed one would still suit them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from limner.errors import Conflict, InvalidRequest
from limner.loop.opening import may_open, needs_of_a_model
from limner.plugin import AppManifest, Manifest, StrategyManifest
from limner.records import models as model_rows
from limner.records import projects as project_rows
from limner.records.rows import Project
from limner.registry import APPS, Found, Group, kind, merged_options

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Use:
    """A project that uses a plugin."""

    project: Project
    roles: tuple[str, ...]
    """`app`, `strategy` and `cold_start`, those that it has."""


def uses(tx: Connection, group: Group, name: str) -> list[Use]:
    """List the projects that name a plugin, oldest first."""
    found = []
    for project in _every_project(tx):
        named = (
            {"app": project.app}
            if group == APPS
            else {role: project.settings.get(role) for role in ("strategy", "cold_start")}
        )
        roles = tuple(role for role, used in named.items() if used == name)
        if roles:
            found.append(Use(project, roles))
    return found


def refuse_while_used(group: Group, name: str, users: Sequence[Use]) -> None:
    """Refuse to take a plugin away from projects.

    Raises:
        Conflict: There are some; `problems` lists them.
    """
    if users:
        listed = ", ".join(f"{use.project.name} ({' and '.join(use.roles)})" for use in users)
        raise Conflict(
            f"The {kind(group)} {name!r} is used by: {listed}. Give these projects another one, or "
            "delete them, first.",
            problems=[
                f"project {use.project.name!r} uses it as {' and '.join(use.roles)}"
                for use in users
            ],
        )


def refuse_misfits(tx: Connection, before: Found | None, now: Found, users: Sequence[Use]) -> None:
    """Refuse a plugin that says something of itself that projects which use it cannot live with.

    Args:
        tx: To read the projects with.
        before: What they use now; None where there is nothing.
        now: What they would use; its manifest can be read.
        users: The projects.

    Raises:
        Conflict: Some would break; `problems` lists how.
    """
    assert now.manifest is not None  # noqa: S101 - refused before
    old = None if before is None else before.manifest
    problems = [each for use in users for each in _misfits(tx, use, old, now.manifest)]
    if problems:
        raise Conflict(
            f"Projects that use the {kind(now.source.group)} {now.source.name!r} would break: "
            f"{'; '.join(problems)}. Nothing was changed; give the changed plugin another name.",
            problems=problems,
        )


def _misfits(tx: Connection, use: Use, old: Manifest | None, new: Manifest) -> list[str]:
    """List what would break in a project if a plugin that it uses said this of itself."""
    who = f"project {use.project.name!r}"
    if isinstance(new, StrategyManifest):
        if "cold_start" in use.roles and not may_open(new):
            needs = needs_of_a_model(new)
            return [f"{who} uses it as cold_start, and it needs {needs} of a model now"]
        if "strategy" not in use.roles:
            return []
        options = use.project.settings.get("strategy_options", {})
        return _option_misfits(who, new, [("its settings", options)])
    problems = []
    if isinstance(old, AppManifest) and old.task != new.task:
        problems.append(f"{who} was made for the task {str(old.task)!r}, not {str(new.task)!r}")
    classes = len(use.project.schema)
    if new.max_classes is not None and classes > new.max_classes:
        problems.append(f"{who} has {classes} classes, and it takes {new.max_classes} at most now")
    serving = model_rows.serving(tx, use.project.id)
    given = [("its settings", use.project.settings.get("app_options", {}))]
    if serving is not None:
        given.append((f"its model version {serving.number}", serving.options))
    return problems + _option_misfits(who, new, given)


def _option_misfits(
    who: str, new: Manifest, given: Sequence[tuple[str, Mapping[str, Any]]]
) -> list[str]:
    problems = []
    for where, options in given:
        try:
            merged_options(new, options)
        except InvalidRequest as error:
            problems += [f"{who}, {where}: {problem}" for problem in error.problems]
    return problems


def _every_project(tx: Connection) -> Iterator[Project]:
    after = 0
    while page := project_rows.page(tx, after=after, limit=_PAGE):
        yield from page
        after = page[-1].id
