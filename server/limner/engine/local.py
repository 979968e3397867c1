"""The engine of one machine: a predictor on each device, a learner, and a picker."""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from limner.engine.interface import (
    CaseSource,
    ModelRef,
    Priority,
    TrainTask,
    WorkerStatus,
)
from limner.engine.limits import BACKGROUND_NICE, processors
from limner.engine.messages import (
    AppSource,
    Describe,
    Evaluate,
    ModelSource,
    PickRows,
    Predict,
    Ready,
    Setup,
    Train,
    Warm,
)
from limner.engine.supervision import Role, Supervisor
from limner.engine.tickets import Line, Ticket
from limner.engine.waiting import attend, await_answer, stopped
from limner.engine.words import WorkerLog
from limner.errors import WorkerDied, WorkerTimeout
from limner.images import ImageSource
from limner.plugin import (
    Described,
    Evaluation,
    LimnerError,
    Pick,
    Pool,
    Prediction,
    Stopped,
    Trained,
    Watch,
)
from limner.registry import APPS, STRATEGIES, Registry, merged_options
from limner.settings import EngineSettings

log = logging.getLogger(__name__)

LEARNER_IDLE_S = 300.0
"""A learner that rested so long gives its memory back; the next training starts another."""

PICKER_IDLE_S = 30.0

DESCRIBED_AT_ONCE = 2
"""How many images of a `describe` are with the learner: while it computes on one it reads the
next."""

MOST_LOST_IN_A_ROW = 3
"""After so many images on end that cost the learner its life, `describe` gives up."""


class LocalEngine:
    """Implements `limner.engine.Engine` by processes of this machine.

    There are three roles, so that none waits for what another does:

    - predictors answer people, one on each device, started with the server;
    - the learner trains, evaluates and describes, politely in the background, from its first work
      until it has been idle for some minutes;
    - the picker runs strategies, which must not wait for a training, likewise from its first work.
    """

    def __init__(self, settings: EngineSettings, registry: Registry, log_folder: Path) -> None:
        """Start nothing yet.

        Args:
            settings: Devices, threads and limits.
            registry: Says where the apps and strategies are.
            log_folder: Where workers' output is kept, a bounded file for each; made if absent.
        """
        self._settings = settings
        self._registry = registry
        self._log_folder = log_folder
        self._lock = threading.Lock()
        self._is_stopped = False
        self._predictions = Line("predictor")
        self._learning = Line("learner")
        self._picking = Line("picker")
        self._predictors = [self._new_predictor(settings.device, first=True)]
        self._learner = self._supervisor("learner", self._learning, idle_s=LEARNER_IDLE_S)
        self._picker = self._supervisor("picker", self._picking, idle_s=PICKER_IDLE_S)

    def start(self) -> None:
        """Start the workers and return at once; see `Engine.start`."""
        self._log_folder.mkdir(parents=True, exist_ok=True)
        for each in (*self._predictors, self._learner, self._picker):
            each.start()

    def stop(self) -> None:
        """End every worker within a few seconds; see `Engine.stop`."""
        with self._lock:
            self._is_stopped = True
        for line in (self._predictions, self._learning, self._picking):
            line.close()
        supervisors = (*self._predictors, self._learner, self._picker)
        for each in supervisors:
            each.leave()
        for each in supervisors:
            each.join()

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
        command = Predict(
            model=self._model(model), image=image, probabilities=probabilities, seed=seed
        )
        ticket = Ticket(
            command, limit_s=self._settings.predict_timeout_s, priority=priority, client=client
        )
        return cast(Prediction, await_answer(self._predictions, ticket))

    def warm(self, model: ModelRef) -> None:
        """Load a model ahead of its first request; see `Engine.warm`.

        Where there are several predictors, one loads it now and the others when they need it.
        """
        command = Warm(model=self._model(model))
        await_answer(self._predictions, Ticket(command, limit_s=self._settings.predict_timeout_s))

    def train(self, task: TrainTask, watch: Watch) -> Trained:
        """Train; see `Engine.train`."""
        manifest = self._registry.app(task.app)
        task = dataclasses.replace(task, options=merged_options(manifest, task.options))
        command = Train(app=self._app(task.app), task=task)
        ticket = Ticket(command, stall_s=self._settings.stall_timeout_s)
        return cast(Trained, attend(self._learning, ticket, watch))

    def evaluate(self, model: ModelRef, cases: Sequence[CaseSource], watch: Watch) -> Evaluation:
        """Measure a model on labelled cases; see `Engine.evaluate`."""
        command = Evaluate(model=self._model(model), cases=tuple(cases))
        ticket = Ticket(command, stall_s=self._settings.stall_timeout_s)
        return cast(Evaluation, attend(self._learning, ticket, watch))

    def describe(
        self,
        model: ModelRef,
        images: Sequence[tuple[int, ImageSource]],
        watch: Watch,
        each: Callable[[int, Described | Exception], None],
    ) -> None:
        """Describe images one by one; see `Engine.describe`.

        A model that cannot be loaded is an error of its own, not one of every image.
        """
        source = self._model(model)
        limit_s = self._settings.predict_timeout_s
        attend(self._learning, Ticket(Warm(model=source), limit_s=limit_s), watch)
        coming = iter(images)
        begun: deque[tuple[int, Ticket]] = deque()
        lost = 0
        try:
            while True:
                while len(begun) < DESCRIBED_AT_ONCE and (entry := next(coming, None)):
                    number, image = entry
                    ticket = Ticket(Describe(model=source, image=image), limit_s=limit_s)
                    begun.append((number, ticket))
                    self._learning.join(ticket)
                if not begun:
                    return
                if watch.should_stop():
                    raise Stopped("Stopped between two images.")
                number, ticket = begun[0]
                outcome = self._described(ticket, watch)
                begun.popleft()
                lost = lost + 1 if isinstance(outcome, WorkerDied | WorkerTimeout) else 0
                each(number, outcome)
                if lost >= MOST_LOST_IN_A_ROW:
                    raise cast(LimnerError, outcome)
        finally:
            for _, ticket in begun:
                stopped(self._learning, ticket)

    def pick(self, strategy: str, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Let a strategy order a pool; see `Engine.pick`."""
        self._registry.strategy(strategy)  # refuses one that is unknown or broken
        source = self._registry.source(STRATEGIES, strategy)
        command = PickRows(name=strategy, source=source, pool=pool, count=count, seed=seed)
        ticket = Ticket(command, limit_s=self._settings.stall_timeout_s)
        return cast(Sequence[Pick], await_answer(self._picking, ticket))

    def status(self) -> Sequence[WorkerStatus]:
        """Say how the workers are; see `Engine.status`."""
        predictors = [each.status() for each in self._predictors]
        if len(predictors) > 1:
            predictors = [
                dataclasses.replace(each, name=f"{each.name} {each.device}".strip())
                for each in predictors
            ]
        return (*predictors, self._learner.status(), self._picker.status())

    def _described(self, ticket: Ticket, watch: Watch) -> Described | Exception:
        try:
            return cast(Described, attend(self._learning, ticket, watch, has_joined=True))
        except Stopped:
            raise
        except LimnerError as error:
            if self._is_stopped:
                raise
            return error

    def _app(self, name: str) -> AppSource:
        manifest = self._registry.app(name)
        return AppSource(name=name, task=manifest.task, source=self._registry.source(APPS, name))

    def _model(self, model: ModelRef) -> ModelSource:
        manifest = self._registry.app(model.app)
        return ModelSource(
            app=self._app(model.app),
            key=model.key,
            weights=model.weights,
            schema=model.schema,
            options=merged_options(manifest, model.options),
        )

    def _new_predictor(self, device: str, *, first: bool) -> Supervisor:
        return self._supervisor(
            "predictor",
            self._predictions,
            device=device,
            on_ready=self._add_predictors if first else lambda ready: None,
        )

    def _add_predictors(self, ready: Ready) -> None:
        """Start a predictor for each further device that the first one has found."""
        with self._lock:
            if self._is_stopped or len(self._predictors) > 1:
                return
            for device in ready.devices[1:]:
                predictor = self._new_predictor(device, first=False)
                self._predictors.append(predictor)
                predictor.start()

    def _supervisor(
        self,
        name: str,
        line: Line,
        *,
        device: str | None = None,
        idle_s: float | None = None,
        on_ready: Callable[[Ready], None] = lambda ready: None,
    ) -> Supervisor:
        """Make the place of one worker; a learner's or picker's where no device is given."""
        settings = self._settings
        is_background = device is None
        threads = settings.learner_threads if is_background else settings.predictor_threads
        setup = Setup(
            device=settings.device if device is None else device,
            takes_last_device=is_background,
            threads=threads or processors(),
            nice=BACKGROUND_NICE if is_background else 0,
            warm_models=settings.warm_models,
            parent=os.getpid(),
            module_path=tuple(sys.path),
        )
        role = Role(
            name=name,
            setup=setup,
            idle_s=idle_s,
            memory_limit_bytes=settings.memory_limit_mb * 2**20,
        )
        suffix = "" if device in (None, settings.device) else "-" + str(device).replace(":", "")
        words = WorkerLog(self._log_folder / f"{name}{suffix}.log")
        return Supervisor(role, line, words, on_ready)
