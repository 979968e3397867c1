"""What follows a change of plugins: workers that go, new queues, models loaded ahead."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from limner.engine import Engine, ModelRef
from limner.errors import LimnerError
from limner.loop.events import Events
from limner.loop.jobs import Jobs
from limner.loop.models import Models
from limner.loop.plugin_use import Use
from limner.records.rows import JobKind
from limner.registry import STRATEGIES, Found, kind

log = logging.getLogger(__name__)


class PluginFollowers:
    """Tells the engine and the projects. Safe to use from any thread."""

    def __init__(self, models: Models, jobs: Jobs, engine: Engine, events: Events) -> None:
        """Do nothing yet.

        Args:
            models: Know which version serves.
            jobs: Told where a new queue is wanted.
            engine: Told when workers may be of no use any more.
            events: Told of every change, for each project that uses the plugin.
        """
        self._models = models
        self._jobs = jobs
        self._engine = engine
        self._events = events

    def follow(self, changed: Sequence[tuple[Found, Sequence[Use]]]) -> None:
        """Let all follow. The change itself is done, so nothing is raised where some cannot.

        Args:
            changed: The plugins that came, with the projects that use them; may be none.
        """
        self._engine.retire_unused()
        refs: list[ModelRef] = []
        for found, users in changed:
            for use in users:
                data = {
                    "change": "plugin",
                    "plugin": f"{kind(found.source.group)} {found.source.name}",
                    "revision": found.source.revision,
                }
                self._events.publish("project", use.project.name, data)
                try:
                    if found.source.group == STRATEGIES:
                        self._jobs.ensure(use.project.id, JobKind.SCORE)
                    elif use.project.serving_model_id is not None:
                        version = self._models.of_id(use.project.serving_model_id)
                        refs.append(self._models.ref(use.project, version))
                except LimnerError as error:
                    log.warning("project %s does not follow yet: %s", use.project.name, error)
        if refs:
            threading.Thread(
                target=self._warm, args=(refs,), name="plugin-warm", daemon=True
            ).start()

    def _warm(self, refs: Sequence[ModelRef]) -> None:
        for ref in refs:
            try:
                self._engine.warm(ref)
            except LimnerError as error:
                log.warning("a model of app %s was not warmed: %s", ref.app, error)
