"""Model versions: which there are, which one serves, and how that changes.

What a version's `metrics` hold, beside what the app reported:

- `measure`, `score`, `cases`, `method`: the headline, and where it comes from: `validation`,
  `cross-validation` or `none`;
- `class_scores`: the same by class;
- `training`: figures of the run; `steps`;
- `evaluation`: scores of every validation case, with a digest of the set they were measured on;
- `classes`: the schema that it was trained for, name to value; `multi_label`: whether an image may
  have several of them.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from limner.engine import Engine, ModelRef
from limner.errors import Conflict, EngineError, LimnerError, NoModel, NotFound
from limner.loop.events import Events
from limner.loop.jobs import Jobs
from limner.loop.lineage import differences, told_differences, wanted_version
from limner.loop.page import Page, checked_limit, number_cursor, page_of
from limner.loop.plain import plain
from limner.loop.projects import Projects
from limner.loop.training_plan import PLAN
from limner.plugin import LabelClass, LabelSchema, PluginError
from limner.records import audit
from limner.records import jobs as job_rows
from limner.records import models as model_rows
from limner.records.database import Records
from limner.records.rows import JobKind, ModelState, ModelVersion, Project
from limner.stores.blobs import Blobs

log = logging.getLogger(__name__)


class Models:
    """The model versions of every project. Safe to use from any thread."""

    def __init__(
        self,
        records: Records,
        projects: Projects,
        blobs: Blobs,
        jobs: Jobs,
        engine: Engine,
        events: Events,
        clock: Callable[[], float],
    ) -> None:
        self._records = records
        self._projects = projects
        self._blobs = blobs
        self._jobs = jobs
        self._engine = engine
        self._events = events
        self._clock = clock

    def list(self, project: str, cursor: str | None = None, limit: int = 100) -> Page[ModelVersion]:
        """List a project's versions, newest first.

        Raises:
            NotFound: There is no such project.
            InvalidRequest: The cursor or the limit cannot be used.
        """
        before, limit = number_cursor(cursor), checked_limit(limit)
        with self._records.read() as tx:
            found = self._projects.named(tx, project)
            rows = model_rows.page(tx, found.id, before=before, limit=limit + 1)
        return page_of(rows, limit, lambda version: version.number)

    def get(self, project: str, number: int) -> ModelVersion:
        """Return a version by its number within the project.

        Raises:
            NotFound: There is no such project or version.
        """
        with self._records.read() as tx:
            return _numbered(tx, self._projects.named(tx, project), number)

    def serving(self, project: str) -> ModelVersion | None:
        """Return the version that serves; None before the first promotion."""
        with self._records.read() as tx:
            return model_rows.serving(tx, self._projects.named(tx, project).id)

    def of_id(self, model_id: int) -> ModelVersion:
        """Return a version by its id.

        Raises:
            NotFound: There is none.
        """
        with self._records.read() as tx:
            version = model_rows.find(tx, model_id)
        if version is None:
            raise NotFound(f"There is no model version with id {model_id}.")
        return version

    def ref(self, project: Project, version: ModelVersion) -> ModelRef:
        """Return a version as a worker needs it.

        Raises:
            Conflict: Its weights were let go.
            NotFound: The file of its weights is missing.
        """
        if version.weights_sha256 is None:
            raise Conflict(
                f"Version {version.number} of {project.name} has no weights any more: only the "
                "newest ones, pinned ones and the one that serves keep them."
            )
        schema = self.schema(project, version)
        return ModelRef(
            app=version.app,
            key=model_key(version.app, version.weights_sha256, schema, version.options),
            weights=self._blobs.path(version.weights_sha256),
            schema=schema,
            options=version.options,
        )

    def promote(self, project: str, number: int, actor: str) -> ModelVersion:
        """Let a version serve because somebody says so: also the way back to an earlier one.

        Raises:
            NotFound: There is no such project or version.
            Conflict: Its weights were let go, or cannot be loaded.
        """
        found = self._projects.get(project)
        version = self.get(project, number)
        if version.state == ModelState.SERVING:
            return version
        ref = self.ref(found, version)
        try:
            self._engine.warm(ref)
        except PluginError as error:
            raise Conflict(f"Version {number} of {project} cannot be loaded: {error}") from error
        except EngineError as error:
            log.warning("version %d of %s was not warmed: %s", number, project, error)
        now = self._clock()
        with self._records.write() as tx:
            before = model_rows.serving(tx, found.id)
            version = _numbered(tx, found, number)
            if version.state == ModelState.SERVING:
                return version
            if version.weights_sha256 is None:
                raise Conflict(f"Version {number} of {project} has just lost its weights.")
            said = {
                "actor": actor,
                "at": now,
                "in_place_of": None if before is None else before.number,
            }
            decision = {
                **version.decision,
                "by_hand": [*version.decision.get("by_hand", []), said],
            }
            model_rows.change(tx, version.id, decision=decision)
            version = model_rows.set_serving(tx, found.id, version.id, at=now)
            self.audit_promotion(tx, found, version, actor=actor, before=before)
        self.announce(found, version)
        self._jobs.ensure(found.id, JobKind.SCORE)
        self.prune(found)
        return version

    def pin(self, project: str, number: int, pinned: bool, actor: str) -> ModelVersion:
        """Keep a version's weights for good, or not any more.

        Raises:
            NotFound: There is no such project or version.
            Conflict: Its weights were let go already.
        """
        with self._records.write() as tx:
            found = self._projects.named(tx, project)
            version = _numbered(tx, found, number)
            if pinned and version.weights_sha256 is None:
                raise Conflict(f"Version {number} of {project} has no weights left to keep.")
            if version.pinned != pinned:
                version = model_rows.change(tx, version.id, pinned=pinned)
                audit.write(
                    tx,
                    at=self._clock(),
                    project_id=found.id,
                    actor=actor,
                    action="model.pinned" if pinned else "model.unpinned",
                    subject=f"model:{version.id}",
                    details={"number": number},
                )
        self.announce(found, version)
        return version

    def audit_promotion(
        self,
        tx: Connection,
        project: Project,
        version: ModelVersion,
        *,
        actor: str,
        before: ModelVersion | None,
    ) -> None:
        """Record who let a version serve, and in place of which."""
        audit.write(
            tx,
            at=self._clock(),
            project_id=project.id,
            actor=actor,
            action="model.promoted",
            subject=f"model:{version.id}",
            details={
                "number": version.number,
                "in_place_of": None if before is None else before.number,
            },
        )

    def announce(self, project: Project, version: ModelVersion) -> None:
        """Tell listeners how a version stands."""
        data = {
            "number": version.number,
            "state": version.state,
            "pinned": version.pinned,
            "score": version.metrics.get("score"),
            "reason": version.decision.get("reason", ""),
        }
        self._events.publish("model", project.name, data)

    def prune(self, project: Project) -> None:
        """Let weights go beyond the number that the project keeps.

        The serving version, pinned ones and the parent of a training that is not finished stay.
        """
        keep = self._projects.settings(project).keep_versions
        with self._records.write() as tx:
            parents = {
                job.params.get(PLAN, {}).get("parent")
                for job in job_rows.unfinished(tx, project_id=project.id, kind=JobKind.TRAIN)
            }
            gone = [
                version
                for version in model_rows.with_weights(tx, project.id)[keep:]
                if version.state != ModelState.SERVING
                and not version.pinned
                and version.id not in parents
            ]
            files = model_rows.let_go(tx, gone)
        for sha256 in files:
            self._blobs.remove(sha256)
        if gone:
            log.info("%s: weights of versions %s let go", project.name, [v.number for v in gone])

    def notices(self, project: Project, serving: ModelVersion | None) -> Sequence[str]:
        """Say where the version that serves was made otherwise than the next one will be."""
        if serving is None:
            return []
        try:
            manifest = self._projects.app(project.app)
            options = plain(self._projects.app_options(project))
        except LimnerError:
            return []  # the project's problems say that its app cannot be used
        schema = self._projects.schema(project)
        wanted = wanted_version(project.app, manifest.version, options, schema)
        changed = differences(serving, wanted)
        if not changed:
            return []
        return [
            f"Version {serving.number} was made with {told_differences(serving, wanted)}. It "
            "serves until a version of the new settings is promoted; the next training starts "
            "from scratch."
        ]

    def schema(self, project: Project, version: ModelVersion) -> LabelSchema:
        """Return the classes that a version was trained for: a project may gain some later."""
        classes = version.metrics.get("classes")
        if not classes:
            return self._projects.schema(project)
        return LabelSchema(
            classes=tuple(
                LabelClass(name=name, value=value)
                for name, value in sorted(classes.items(), key=lambda each: int(each[1]))
            ),
            exclusive=not version.metrics.get("multi_label", False),
        )


def serving_or_refuse(version: ModelVersion | None, project: str) -> ModelVersion:
    """Return the serving version.

    Raises:
        NoModel: There is none.
    """
    if version is None:
        raise NoModel(
            f"Project {project} has no model yet: label some samples and let it train, or ask for "
            "a training."
        )
    return version


def model_key(
    app: str, weights_sha256: str, schema: LabelSchema, options: Mapping[str, Any]
) -> str:
    """Name a model among all: the same weights, classes and options have the same key."""
    classes = [{each.name: each.value for each in schema.classes}, schema.exclusive]
    text = json.dumps([app, weights_sha256, classes, options], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _numbered(tx: Connection, project: Project, number: int) -> ModelVersion:
    version = model_rows.by_number(tx, project.id, number)
    if version is None:
        raise NotFound(f"Project {project.name} has no model version {number}.")
    return version
