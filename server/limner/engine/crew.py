"""The workers that share an interpreter: a predictor on each device, a learner, and a picker."""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from limner.engine.interface import WorkerStatus
from limner.engine.limits import BACKGROUND_NICE, processors, worker_memory_bytes
from limner.engine.messages import Ready, Setup
from limner.engine.supervision import Role, Supervisor
from limner.engine.tickets import Line
from limner.engine.words import WorkerLog
from limner.registry import PluginSource
from limner.settings import EngineSettings

LEARNER_IDLE_S = 300.0
"""A learner that rested so long gives its memory back; the next training starts another."""

PICKER_IDLE_S = 30.0


@dataclass(frozen=True, slots=True)
class CrewKey:
    """What tells crews apart: plugins of one key share their workers."""

    python: str = ""
    location: str = ""
    revision: int = 0


DEFAULT = CrewKey()
"""The crew of the plugins that were there at the start and need no interpreter of their own."""


def crew_key(source: PluginSource) -> CrewKey:
    """Name the crew of a plugin.

    Code that was registered while the server ran gets workers of its own: those that are there may
    have loaded older code from the same place.
    """
    if source.revision:
        return CrewKey(source.python, source.location, source.revision)
    return CrewKey(source.python)


class Crew:
    """Three roles, so that none waits for what another does.

    - predictors answer people, one on each device, and stay once they are started;
    - the learner trains, evaluates and describes, politely in the background, from its first work
      until it has been idle for some minutes;
    - the picker runs strategies, which must not wait for a training, likewise from its first work.
    """

    def __init__(
        self,
        settings: EngineSettings,
        log_folder: Path,
        *,
        python: str = "",
        name: str = "",
        log_name: str = "",
    ) -> None:
        """Start nothing yet.

        Args:
            settings: Devices, threads and limits.
            log_folder: Where workers' output is kept, a bounded file for each; made if absent.
            python: Path of the workers' interpreter; empty for the server's own.
            name: Whose crew it is, for people. Empty for the default crew: its first predictor
                starts with it, another crew's with its first work, since loading a learning
                library takes seconds and much memory.
            log_name: What distinguishes its log files.
        """
        self.name = name
        self.users = 0
        """How many calls rely on it; kept by the engine."""
        self._settings = settings
        self._log_folder = log_folder
        self._log_name = log_name
        self._python = python
        self._lock = threading.Lock()
        self._is_leaving = False
        self.predictions = Line(self._named("predictor"))
        self.learning = Line(self._named("learner"))
        self.picking = Line(self._named("picker"))
        self._predictors = [self._new_predictor(settings.device, first=True)]
        self._learner = self._supervisor("learner", self.learning, idle_s=LEARNER_IDLE_S)
        self._picker = self._supervisor("picker", self.picking, idle_s=PICKER_IDLE_S)

    @property
    def is_leaving(self) -> bool:
        """Whether its workers were told to end."""
        return self._is_leaving

    def start(self) -> None:
        """Begin to serve the lines; return at once."""
        self._log_folder.mkdir(parents=True, exist_ok=True)
        for each in self._supervisors():
            each.start()

    def leave(self) -> None:
        """Take no more work, fail what waits, and begin to end the workers; see `join`."""
        with self._lock:
            self._is_leaving = True
        for line in (self.predictions, self.learning, self.picking):
            line.close()
        for each in self._supervisors():
            each.leave()

    def join(self) -> None:
        """Wait until every worker has ended, after `leave`. May be called again."""
        for each in self._supervisors():
            each.join()

    def status(self) -> Sequence[WorkerStatus]:
        """Say how the workers are, predictors first."""
        with self._lock:
            predictors = [each.status() for each in self._predictors]
        if len(predictors) > 1:
            predictors = [
                dataclasses.replace(each, name=f"{each.name} {each.device}".strip())
                for each in predictors
            ]
        return (*predictors, self._learner.status(), self._picker.status())

    def add_predictors(self, ready: Ready) -> None:
        """Start a predictor for each further device that the first one has found."""
        with self._lock:
            if self._is_leaving or len(self._predictors) > 1:
                return
            for device in ready.devices[1:]:
                predictor = self._new_predictor(device, first=False)
                self._predictors.append(predictor)
                predictor.start()

    def _supervisors(self) -> list[Supervisor]:
        with self._lock:
            return [*self._predictors, self._learner, self._picker]

    def _named(self, role: str) -> str:
        return f"{role} of {self.name}" if self.name else role

    def _new_predictor(self, device: str, *, first: bool) -> Supervisor:
        return self._supervisor(
            "predictor",
            self.predictions,
            device=device,
            is_eager=not (first and self.name),
            on_ready=self.add_predictors if first else lambda ready: None,
        )

    def _supervisor(
        self,
        role: str,
        line: Line,
        *,
        device: str | None = None,
        idle_s: float | None = None,
        is_eager: bool = True,
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
            module_path=() if self._python else tuple(sys.path),
            python=self._python,
        )
        place = Role(
            name=self._named(role),
            setup=setup,
            idle_s=idle_s,
            is_eager=is_eager,
            memory_limit_bytes=worker_memory_bytes(settings.memory_limit_mb),
        )
        suffix = "" if device in (None, settings.device) else "-" + str(device).replace(":", "")
        log = "-".join(part for part in (role, self._log_name) if part)
        words = WorkerLog(self._log_folder / f"{log}{suffix}.log")
        return Supervisor(place, line, words, on_ready)
