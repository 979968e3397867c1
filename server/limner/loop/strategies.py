"""Which strategy fills a project's queue, and with which options."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from limner.errors import Conflict, InvalidRequest, NoModel, NotFound, PluginFailed
from limner.loop.opening import may_open, needs_of_a_model
from limner.loop.projects import Projects
from limner.plugin import Ability, Json, StrategyManifest
from limner.records.rows import ModelVersion, Project
from limner.registry import Registry

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A strategy that is to pick."""

    manifest: StrategyManifest
    options: Mapping[str, Json] = field(default_factory=dict)
    """As the project sets them; the engine fills in the defaults."""
    by_pixels: bool = False
    """Whether descriptors of the pixels stand for the embeddings that it needs: no model serves
    yet, or the app describes nothing."""


class Strategies:
    """Chooses who picks. Safe to use from any thread."""

    def __init__(self, projects: Projects, registry: Registry) -> None:
        """Take whose settings to read and where the strategies are."""
        self._projects = projects
        self._registry = registry

    def choose(self, project: Project, version: ModelVersion | None, asked: str | None) -> Chosen:
        """Return who picks: whom somebody asked for, or as the project's settings say.

        Args:
            project: Whose queue is filled.
            version: What serves; None before there is a model.
            asked: Name of a strategy to use this once; None for the project's own.

        Raises:
            InvalidRequest: There is no such strategy, or it cannot be used.
            NoModel: It needs a model, and none serves.
            Conflict: It needs what the app does not say.
        """
        if asked is not None:
            return self._asked(project, version, asked)
        return self._cold(project) if version is None else self._own(project)

    def _asked(self, project: Project, version: ModelVersion | None, name: str) -> Chosen:
        try:
            chosen = self._named(project, name)
        except (NotFound, PluginFailed) as error:
            problem = f"strategy: {error}"
            raise InvalidRequest(problem, problems=[problem]) from error
        manifest = chosen.manifest
        if manifest.works_without_model:
            return chosen
        if version is not None and self._describes(version.app):
            return chosen
        if may_open(manifest):
            return replace(chosen, by_pixels=True)
        needs = needs_of_a_model(manifest)
        if version is None:
            raise NoModel(
                f"Strategy {name!r} needs {needs} of a model, and project {project.name} has none "
                "that serves yet; ask for one that needs nothing, such as 'random', or embeddings "
                "alone."
            )
        raise Conflict(
            f"Strategy {name!r} needs {needs}, and app {version.app!r} of project "
            f"{project.name} describes nothing; ask for one that needs nothing or embeddings alone."
        )

    def _own(self, project: Project) -> Chosen:
        """Return the project's strategy; the cold-start one where the app cannot describe."""
        settings = self._projects.settings(project)
        chosen = self._named(project, settings.strategy)
        if chosen.manifest.works_without_model or self._describes(project.app):
            return chosen
        if may_open(chosen.manifest):
            return replace(chosen, by_pixels=True)
        log.warning(
            "%s: app %s describes nothing, so %s picks in place of %s",
            project.name,
            project.app,
            settings.cold_start,
            settings.strategy,
        )
        return self._cold(project)

    def _cold(self, project: Project) -> Chosen:
        name = self._projects.settings(project).cold_start
        chosen = self._named(project, name)
        if not may_open(chosen.manifest):
            raise InvalidRequest(
                f"Strategy {name!r} needs {needs_of_a_model(chosen.manifest)}, and there is no "
                "model to say that yet; set cold_start to a strategy that needs nothing or "
                "embeddings alone."
            )
        return replace(chosen, by_pixels=not chosen.manifest.works_without_model)

    def _named(self, project: Project, name: str) -> Chosen:
        """Return a strategy; the project's options belong to its own one alone."""
        settings = self._projects.settings(project)
        manifest = self._registry.strategy(name)
        options = settings.strategy_options if name == settings.strategy else {}
        return Chosen(manifest=manifest, options=options)

    def _describes(self, app: str) -> bool:
        return Ability.DESCRIBE in self._registry.app(app).abilities
