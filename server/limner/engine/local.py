"""The engine of one machine: crews of worker processes, one for each interpreter in use."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import cast

from limner.engine.crew import DEFAULT, Crew, CrewKey, crew_key
from limner.engine.describing import describe_images, describe_pixels
from limner.engine.interface import (
    CaseSource,
    ModelRef,
    PartWanted,
    Priority,
    TrainTask,
    WorkerStatus,
)
from limner.engine.messages import (
    AppSource,
    Evaluate,
    Explain,
    ModelSource,
    PickRows,
    Predict,
    PromptImage,
    Train,
    Warm,
)
from limner.engine.prompts import plain_prompts
from limner.engine.tickets import Ticket
from limner.engine.waiting import attend, await_answer
from limner.errors import EngineError
from limner.images import ImageSource
from limner.plugin import (
    Described,
    Evaluation,
    FloatArray,
    Pick,
    Pool,
    Prediction,
    Prompt,
    Trained,
    Watch,
)
from limner.registry import APPS, STRATEGIES, Group, PluginSource, Registry, merged_options
from limner.settings import EngineSettings


class LocalEngine:
    """Implements `limner.engine.Engine` by processes of this machine.

    Plugins of the server's own interpreter share the default crew, which starts with the engine. A
    plugin with an interpreter of its own, or registered anew while the server runs, has another,
    which starts when it is first needed.
    """

    def __init__(self, settings: EngineSettings, registry: Registry, log_folder: Path) -> None:
        """Start nothing yet.

        Args:
            settings: Devices, threads and limits, of each crew.
            registry: Says where the apps and strategies are.
            log_folder: Where workers' output is kept, a bounded file for each; made if absent.
        """
        self._settings = settings
        self._registry = registry
        self._log_folder = log_folder
        self._lock = threading.Lock()
        self._is_started = False
        self._is_stopped = False
        self._default = Crew(settings, log_folder)
        self._crews: dict[CrewKey, Crew] = {DEFAULT: self._default}
        self._retired: list[Crew] = []

    def start(self) -> None:
        """Start the workers and return at once; see `Engine.start`."""
        with self._lock:
            self._is_started = True
            crews = list(self._crews.values())
        for crew in crews:
            crew.start()

    def stop(self) -> None:
        """End every worker within a few seconds; see `Engine.stop`."""
        with self._lock:
            self._is_stopped = True
            crews = [*self._crews.values(), *self._retired]
        for crew in crews:
            crew.leave()
        for crew in crews:
            crew.join()

    def predict(
        self,
        model: ModelRef,
        image: ImageSource,
        *,
        probabilities: bool = False,
        seed: int = 0,
        priority: Priority = Priority.INTERACTIVE,
        client: str = "",
    ) -> Prediction:
        """Predict one image; see `Engine.predict`."""
        with self._lent(APPS, model.app) as (crew, source):
            command = Predict(
                model=self._model(model, source),
                image=image,
                probabilities=probabilities,
                seed=seed,
            )
            ticket = Ticket(
                command, limit_s=self._settings.predict_timeout_s, priority=priority, client=client
            )
            return cast(Prediction, await_answer(crew.predictions, ticket))

    def explain(
        self, model: ModelRef, image: ImageSource, value: int, *, client: str = ""
    ) -> FloatArray:
        """Map what in an image speaks for a class; see `Engine.explain`."""
        with self._lent(APPS, model.app) as (crew, source):
            command = Explain(model=self._model(model, source), image=image, value=value)
            limit_s = self._settings.predict_timeout_s
            ticket = Ticket(command, limit_s=limit_s, priority=Priority.INTERACTIVE, client=client)
            return cast(FloatArray, await_answer(crew.predictions, ticket))

    def prompt(
        self, model: ModelRef, image: ImageSource, prompts: Sequence[Prompt], *, client: str = ""
    ) -> Prediction:
        """Predict one image with what an annotator says of it; see `Engine.prompt`."""
        with self._lent(APPS, model.app) as (crew, source):
            command = PromptImage(
                model=self._model(model, source), image=image, prompts=plain_prompts(prompts)
            )
            limit_s = self._settings.predict_timeout_s
            ticket = Ticket(command, limit_s=limit_s, priority=Priority.INTERACTIVE, client=client)
            return cast(Prediction, await_answer(crew.predictions, ticket))

    def warm(self, model: ModelRef) -> None:
        """Load a model ahead of its first request; see `Engine.warm`.

        Where there are several predictors, one loads it now and the others when they need it.
        """
        with self._lent(APPS, model.app) as (crew, source):
            command = Warm(model=self._model(model, source))
            ticket = Ticket(command, limit_s=self._settings.predict_timeout_s)
            await_answer(crew.predictions, ticket)

    def train(self, task: TrainTask, watch: Watch) -> Trained:
        """Train; see `Engine.train`."""
        with self._lent(APPS, task.app) as (crew, source):
            options = merged_options(self._registry.app(task.app), task.options)
            task = dataclasses.replace(task, options=options)
            command = Train(app=self._app(task.app, source), task=task)
            ticket = Ticket(command, stall_s=self._settings.stall_timeout_s)
            return cast(Trained, attend(crew.learning, ticket, watch))

    def evaluate(self, model: ModelRef, cases: Sequence[CaseSource], watch: Watch) -> Evaluation:
        """Measure a model on labelled cases; see `Engine.evaluate`."""
        with self._lent(APPS, model.app) as (crew, source):
            command = Evaluate(model=self._model(model, source), cases=tuple(cases))
            ticket = Ticket(command, stall_s=self._settings.stall_timeout_s)
            return cast(Evaluation, attend(crew.learning, ticket, watch))

    def describe(
        self,
        model: ModelRef,
        images: Sequence[tuple[int, ImageSource]],
        watch: Watch,
        each: Callable[[int, Described | Exception], None],
        parts: Mapping[int, PartWanted] = MappingProxyType({}),
    ) -> None:
        """Describe images one by one; see `Engine.describe`."""
        with self._lent(APPS, model.app) as (crew, source):
            limit_s = self._settings.predict_timeout_s
            describe_images(crew, self._model(model, source), images, limit_s, watch, each, parts)

    def describe_pixels(
        self,
        images: Sequence[tuple[int, ImageSource]],
        watch: Watch,
        each: Callable[[int, FloatArray | Exception], None],
    ) -> None:
        """Describe images without a model; see `Engine.describe_pixels`."""
        # No plugin is asked, so the crew that needs none does it.
        describe_pixels(self._default, images, self._settings.predict_timeout_s, watch, each)

    def pick(self, strategy: str, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Let a strategy order a pool; see `Engine.pick`."""
        with self._lent(STRATEGIES, strategy) as (crew, source):
            options = merged_options(self._registry.strategy(strategy), pool.options)
            pool = dataclasses.replace(pool, options=options)
            command = PickRows(name=strategy, source=source, pool=pool, count=count, seed=seed)
            ticket = Ticket(command, limit_s=self._settings.stall_timeout_s)
            return cast(Sequence[Pick], await_answer(crew.picking, ticket))

    def retire_unused(self) -> None:
        """Let the crews go that no plugin needs any more; see `Engine.retire_unused`."""
        with self._lock:
            needed = {DEFAULT, *(crew_key(each.source) for each in self._registry.found)}
            unused = [self._crews.pop(key) for key in list(self._crews) if key not in needed]
            self._retired += unused
            idle = [crew for crew in unused if not crew.users]
        for crew in idle:
            self._let_go(crew)

    def status(self) -> Sequence[WorkerStatus]:
        """Say how the workers are; see `Engine.status`."""
        with self._lock:
            crews = [*self._crews.values(), *self._retired]
        return tuple(worker for crew in crews for worker in crew.status())

    @contextmanager
    def _lent(self, group: Group, name: str) -> Iterator[tuple[Crew, PluginSource]]:
        """Lend the crew of a plugin: it stays until the block ends, retired or not.

        Raises:
            NotFound: There is no such plugin.
            PluginFailed: It cannot be used.
            EngineError: The engine has stopped.
        """
        with self._lock:
            # The plugin and its crew are looked up in one step, so that `retire_unused` comes
            # before both or after both: nobody is sent to a crew that has gone.
            source = self._registry.source(group, name)
            crew = self._crew(source)
            crew.users += 1
        try:
            yield crew, source
        finally:
            with self._lock:
                crew.users -= 1
                is_over = crew in self._retired and not crew.users
            if is_over:
                self._let_go(crew)

    def _crew(self, source: PluginSource) -> Crew:
        """Return the crew of a plugin, made at its first use. The lock is held."""
        key = crew_key(source)
        if key not in self._crews:
            if self._is_stopped:
                raise EngineError("The engine has stopped; it takes no more work.")
            crew = Crew(
                self._settings,
                self._log_folder,
                python=source.python,
                name=self._crew_name(source),
                log_name=source.name,
            )
            if self._is_started:
                crew.start()
            self._crews[key] = crew
        return self._crews[key]

    def _crew_name(self, source: PluginSource) -> str:
        taken = {crew.name for crew in (*self._crews.values(), *self._retired)}
        name = wanted = source.name + (f" revision {source.revision}" if source.revision else "")
        number = 1
        while name in taken:
            number += 1
            name = f"{wanted} ({number})"
        return name

    def _let_go(self, crew: Crew) -> None:
        """End a retired crew that nobody uses, in a thread: its workers take a moment."""

        def end() -> None:
            crew.leave()
            crew.join()
            with self._lock:
                self._retired.remove(crew)

        threading.Thread(target=end, name=f"end {crew.name}", daemon=True).start()

    def _app(self, name: str, source: PluginSource) -> AppSource:
        return AppSource(name=name, task=self._registry.app(name).task, source=source)

    def _model(self, model: ModelRef, source: PluginSource) -> ModelSource:
        return ModelSource(
            app=self._app(model.app, source),
            key=model.key,
            weights=model.weights,
            schema=model.schema,
            options=merged_options(self._registry.app(model.app), model.options),
        )
