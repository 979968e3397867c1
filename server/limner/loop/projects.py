"""Projects: opened from the settings, made, changed and deleted; and what each one consists of."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from limner.errors import (
    Conflict,
    InvalidRequest,
    LimnerError,
    NotFound,
    PluginFailed,
    SettingsError,
)
from limner.images import ImageSource
from limner.loop.events import Events
from limner.loop.page import Page, checked_limit, number_cursor, page_of
from limner.loop.project_config import (
    changed_settings,
    config_problems,
    keeps_classes,
    schema_of,
    settings_for,
    settings_problems,
)
from limner.loop.texts import checked_text
from limner.plugin import Ability, AppManifest, Json, LabelClass, LabelSchema, Task
from limner.records import audit
from limner.records import labels as label_rows
from limner.records import projects as project_rows
from limner.records.database import Records
from limner.records.rows import Project, Sample
from limner.registry import Registry, merged_options
from limner.settings import Limits, ProjectConfig, ProjectSettings
from limner.stores.folder import FolderStore

log = logging.getLogger(__name__)


class Projects:
    """Every project of the server. Safe to use from any thread."""

    def __init__(
        self,
        records: Records,
        registry: Registry,
        events: Events,
        clock: Callable[[], float],
        limits: Limits,
        ask_for_picks: Callable[[int], object] = lambda project_id: None,
    ) -> None:
        """Hold what projects need; `ask_for_picks` is told whose strategy was changed."""
        self._records = records
        self._registry = registry
        self._events = events
        self._clock = clock
        self._limits = limits
        self._ask_for_picks = ask_for_picks
        self._settings: dict[int, tuple[Mapping[str, Any], ProjectSettings]] = {}
        self._stores: dict[tuple[str, str | None], FolderStore] = {}

    @property
    def limits(self) -> Limits:
        """What a file may ask of the server."""
        return self._limits

    def open_all(self, configs: Sequence[ProjectConfig]) -> None:
        """Make the projects of the settings, or bring those there are up to date with them.

        Raises:
            SettingsError: A project cannot be made so, or changed so without losing labels.
        """
        for config in configs:
            try:
                with self._records.read() as tx:
                    known = project_rows.by_name(tx, config.name)
                if known is None:
                    self.create(config)
                else:
                    self._bring_up_to_date(config)
            except (InvalidRequest, Conflict) as error:
                raise SettingsError(f"Project {config.name!r}: {error}") from error

    def create(self, config: ProjectConfig, actor: str = audit.SERVER) -> Project:
        """Make a project.

        Raises:
            InvalidRequest: Something it names is not there or does not fit; `problems` lists all.
            Conflict: There is a project of that name.
        """
        problems = config_problems(config, self._registry)
        if not config.images.is_dir():
            problems.append(f"images {str(config.images)!r} is not a folder")
        if problems:
            raise InvalidRequest(
                f"Project {config.name!r} cannot be made: " + "; ".join(problems) + ".",
                problems=problems,
            )
        now = self._clock()
        with self._records.write() as tx:
            if project_rows.by_name(tx, config.name) is not None:
                raise Conflict(f"There is a project {config.name!r} already; take another name.")
            # Once more, where no plugin can be retired any more before the project is there.
            problems = config_problems(config, self._registry)
            if problems:
                raise Conflict(f"Project {config.name!r} cannot be made: {'; '.join(problems)}.")
            task = self._registry.app(config.app).task
            project = project_rows.add(
                tx,
                **_columns(config, task),
                task=task.value,
                name=config.name,
                round=0,
                created_at=now,
            )
            self._audit(tx, project, actor, "project.created", {"app": config.app})
        self._events.publish("project", project.name, {"change": "created"})
        return project

    def get(self, name: str) -> Project:
        """Return a project.

        Raises:
            NotFound: There is none of that name.
        """
        with self._records.read() as tx:
            return self.named(tx, name)

    def named(self, tx: Connection, name: str, *, to_change: bool = False) -> Project:
        """Return a project, inside a transaction that goes on with it.

        Raises:
            NotFound: There is none of that name.
        """
        project = project_rows.by_name(tx, name, to_change=to_change)
        if project is None:
            raise NotFound(f"There is no project {name[:100]!r}.")
        return project

    def of_id(self, project_id: int) -> Project:
        """Return a project by its id.

        Raises:
            NotFound: It was deleted, or never was.
        """
        with self._records.read() as tx:
            return self.numbered(tx, project_id)

    def numbered(self, tx: Connection, project_id: int, *, to_change: bool = False) -> Project:
        """Return a project by its id, inside a transaction that goes on with it.

        Raises:
            NotFound: It was deleted, or never was.
        """
        project = project_rows.find(tx, project_id, to_change=to_change)
        if project is None:
            raise NotFound(f"There is no project with id {project_id}; it may have been deleted.")
        return project

    def list(self, cursor: str | None = None, limit: int = 100) -> Page[Project]:
        """List projects, oldest first."""
        after = number_cursor(cursor) or 0
        with self._records.read() as tx:
            rows = project_rows.page(tx, after=after, limit=checked_limit(limit) + 1)
        return page_of(rows, limit, lambda project: project.id)

    def change(
        self,
        name: str,
        *,
        title: str | None = None,
        app: str | None = None,
        settings: Mapping[str, Any] | None = None,
        actor: str,
    ) -> Project:
        """Change a project's title, its app or some of its settings; what is not named stays.

        Options belong to an app or a strategy: another one begins with its defaults, and with what
        `app_options` or `strategy_options` give in the same call. Versions that were trained
        otherwise go on serving; `limner.loop.lineage.differences` says what is different.

        Raises:
            InvalidRequest: An app or a setting is unknown or does not fit; `problems` lists all.
            Conflict: An app of another task; or, once there are labels, how many readings a sample
                needs, or that classes exclude each other from now on.
        """
        values: dict[str, Any] = {}
        asks_for_picks = False
        if title is not None:
            values["title"] = checked_text("title", title, 200)
        with self._records.write() as tx:
            project = self.named(tx, name, to_change=True)
            if app is not None and app != project.app:
                self._check_task(project, app)
                values["app"] = app
            if settings or "app" in values:
                changed = changed_settings(
                    project, settings or {}, self._registry, values.get("app", project.app)
                )
                self._check_answers(tx, project, changed)
                values["settings"] = changed.model_dump(mode="json")
                before = self.settings(project)
                asks_for_picks = any(
                    getattr(before, role) != getattr(changed, role)
                    for role in ("strategy", "strategy_options", "cold_start", "query_size")
                )
            if not values:
                return project
            project = project_rows.change(tx, project.id, **values)
            details = {"title": title, "app": app, "settings": dict(settings or {})}
            self._audit(tx, project, actor, "project.changed", details)
        self._events.publish("project", project.name, {"change": "changed"})
        if asks_for_picks:
            try:
                self._ask_for_picks(project.id)
            except LimnerError as error:
                # The change is recorded; the queue follows when it next runs low.
                log.warning("project %s: no new picks were asked for: %s", name, error)
        return project

    def takes_parts(self, project: Project) -> bool:
        """Tell whether a label may be of a part of an image: its app learns from parts."""
        if self.settings(project).readings != 1:
            return False
        try:
            return Ability.REGIONS in self._registry.app(project.app).abilities
        except (NotFound, PluginFailed):
            return False

    def delete(self, name: str, actor: str) -> None:
        """Delete a project: it is not shown any more, its name is free. Every file is kept."""
        now = self._clock()
        with self._records.write() as tx:
            project = self.named(tx, name, to_change=True)
            # No project can be named with a tilde, so the name is free for a new one.
            freed = f"{project.name[:50]}~{project.id}"
            self._audit(tx, project, actor, "project.deleted", {"name": project.name})
            project_rows.change(tx, project.id, name=freed, deleted_at=now)
        self._events.publish("project", name, {"change": "deleted"})

    def settings(self, project: Project) -> ProjectSettings:
        """Return a project's settings, parsed once for each change."""
        cached = self._settings.get(project.id)
        if cached is None or cached[0] != project.settings:
            cached = (project.settings, ProjectSettings.model_validate(project.settings))
            self._settings[project.id] = cached
        return cached[1]

    def plugin_problems(self, project: Project) -> Sequence[str]:
        """List what keeps a project's app and strategies from being used."""
        return settings_problems(project.app, self.settings(project), self._registry)

    def schema(self, project: Project) -> LabelSchema:
        """Return a project's classes."""
        return LabelSchema(
            classes=tuple(
                LabelClass(name=each["name"], value=each["value"]) for each in project.schema
            ),
            exclusive=not self.settings(project).multi_label,
        )

    def task(self, project: Project) -> Task:
        """Return the kind of label that a project collects."""
        return Task(project.task)

    def store(self, project: Project) -> FolderStore:
        """Return where a project's images lie."""
        path, adopted = project.store["path"], project.store["labels"]
        if project.task == Task.CLASSIFICATION:
            # Its labels look like no image; what lies in that folder may be images sorted by class.
            adopted = None
        store = self._stores.get((path, adopted))
        if store is None:
            exclude = () if adopted is None else (Path(adopted),)
            store = FolderStore(Path(path), exclude=exclude)
            store = self._stores.setdefault((path, adopted), store)
        return store

    def source(self, project: Project, sample: Sample) -> ImageSource:
        """Return where a sample's image lies, for whoever reads it."""
        return self.store(project).source(
            sample.files, self._limits, self.settings(project).modality, sample.name
        )

    def app(self, name: str) -> AppManifest:
        """Return an app's manifest.

        Raises:
            NotFound: There is no such app, or not any more.
            PluginFailed: It cannot be used.
        """
        return self._registry.app(name)

    def app_options(self, project: Project) -> dict[str, Json]:
        """Return the app's options as the project sets them, defaults filled in.

        Raises:
            NotFound: The app is not there any more.
            InvalidRequest: The app has other options by now.
        """
        manifest = self._registry.app(project.app)
        return merged_options(manifest, self.settings(project).app_options)

    def strategy_options(self, project: Project) -> dict[str, Json]:
        """Return the strategy's options as the project sets them, defaults filled in.

        Raises:
            NotFound: The strategy is not there any more.
            InvalidRequest: The strategy has other options by now.
        """
        settings = self.settings(project)
        manifest = self._registry.strategy(settings.strategy)
        return merged_options(manifest, settings.strategy_options)

    def _bring_up_to_date(self, config: ProjectConfig) -> None:
        try:
            problems = config_problems(config, self._registry)
        except LimnerError as error:
            problems = [str(error)]
        for problem in problems:
            # The labels are there and may be added to; only what needs the plugin will fail.
            log.warning("project %s: %s", config.name, problem)
        with self._records.write() as tx:
            known = self.named(tx, config.name, to_change=True)
            columns = _columns(config, Task(known.task))
            if not config.title:
                columns["title"] = known.title
            changed = {key: new for key, new in columns.items() if getattr(known, key) != new}
            if not changed:
                return
            self._check_kept(tx, known, config)
            project = project_rows.change(tx, known.id, **changed)
            details = {"changed": sorted(changed), "by": "settings"}
            self._audit(tx, project, audit.SERVER, "project.changed", details)
        self._events.publish("project", config.name, {"change": "changed"})

    def _check_kept(self, tx: Connection, known: Project, config: ProjectConfig) -> None:
        if known.app != config.app:
            self._check_task(known, config.app)
        self._check_answers(tx, known, config.settings)
        if not project_rows.has_labels(tx, known.id):
            return
        if not keeps_classes(known.schema, schema_of(config)):
            raise Conflict(
                f"it has labels drawn with the classes {_shown(known.schema)}; the settings say "
                f"{_shown([asdict(each) for each in schema_of(config).classes])}. Classes may be "
                "added, but none dropped, renamed or given another value. Make a new project."
            )

    def _check_task(self, known: Project, app: str) -> None:
        try:
            manifest = self._registry.app(app)
            task = manifest.task
        except (NotFound, PluginFailed) as error:
            raise InvalidRequest(f"app: {error}", problems=[f"app: {error}"]) from error
        if task != known.task:
            raise Conflict(
                f"Project {known.name!r} collects labels for {known.task}; app {app!r} is for "
                f"{task.value} and needs a project of its own."
            )
        if Ability.REGIONS in manifest.abilities:
            return
        with self._records.read() as tx:
            has_parts = label_rows.has_parts(tx, known.id)
        if has_parts:
            raise Conflict(
                f"Project {known.name!r} has labels of parts of images, which app {app!r} would "
                "take for whole ones; label those samples whole first, or take an app with the "
                "ability 'regions'."
            )

    def _check_answers(self, tx: Connection, known: Project, new: ProjectSettings) -> None:
        """Refuse settings that labels given already would not answer."""
        old = self.settings(known)
        if (old.readings, old.multi_label) == (new.readings, new.multi_label):
            return
        if not project_rows.has_labels(tx, known.id):
            return
        if old.readings != new.readings:
            raise Conflict(
                f"it asks for {old.readings} readings of each sample and has labels; "
                f"{new.readings} cannot be asked for any more. Make a new project."
            )
        if old.multi_label:
            raise Conflict(
                "its labels may name several classes of an image, so its classes cannot exclude "
                "each other any more. Make a new project."
            )

    def _audit(
        self, tx: Connection, project: Project, actor: str, action: str, details: Mapping[str, Any]
    ) -> None:
        audit.write(
            tx,
            at=self._clock(),
            project_id=project.id,
            actor=actor,
            action=action,
            subject=f"project:{project.id}",
            details=details,
        )


def _columns(config: ProjectConfig, task: Task) -> dict[str, Any]:
    return {
        "title": config.title,
        "app": config.app,
        "schema": [asdict(each) for each in schema_of(config).classes],
        "store": {
            "kind": "folder",
            "path": str(config.images.absolute()),
            "labels": None if config.adopt is None else str(config.adopt.absolute()),
        },
        "settings": settings_for(config, task).model_dump(mode="json"),
    }


def _shown(schema: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{each['name']} = {each['value']}" for each in schema)
