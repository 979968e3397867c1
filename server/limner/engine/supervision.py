"""Keeps one worker alive: starts it, feeds it, notices its end, starts the next."""

from __future__ import annotations

import logging
import pickle
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from limner.engine.failures import raised
from limner.engine.interface import WorkerStatus
from limner.engine.link import LinkClosed
from limner.engine.messages import (
    Ahead,
    Done,
    Failed,
    Leave,
    Ready,
    Reported,
    Setup,
    StopWork,
    Work,
)
from limner.engine.patience import LEAVE_GRACE_S, InWork, backoff_s
from limner.engine.process import WorkerProcess
from limner.engine.tickets import Line, Ticket
from limner.engine.waker import Waker
from limner.engine.words import WorkerLog, essence
from limner.errors import EngineError, LimnerError, PluginFailed, WorkerDied, WorkerOutOfMemory
from limner.plugin import Stopped
from limner.registry import start_problem, version_problem

log = logging.getLogger(__name__)

START_S = 120.0
"""A worker that is not ready after this is given up. It takes half a second on an idle machine."""

MOST_ATTEMPTS = 2
"""Work whose worker died is tried once more."""

MOST_FAILED_STARTS = 2
"""After so many workers that never became ready, what waits fails instead of waiting on."""

MEMORY_EVERY_S = 0.1
"""How often a worker's memory is measured, where it is limited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What a worker is for."""

    name: str
    setup: Setup
    idle_s: float | None = None
    """Without work it ends after this, and starts again with the next; None keeps it."""
    is_eager: bool = True
    """Whether one that is kept starts with the engine, before there is work."""
    memory_limit_bytes: int = 0
    """0 for no limit."""


class Unfit(Exception):
    """A worker's environment does not fit the server's; the message says how."""


class Supervisor:
    """One place for a worker, and the thread that looks after it.

    The thread alone touches the process. It starts it too, and outlives it, as `WorkerProcess`
    demands.
    """

    def __init__(
        self,
        role: Role,
        line: Line,
        words: WorkerLog,
        on_ready: Callable[[Ready], None] = lambda ready: None,
    ) -> None:
        """Serve a line; nothing runs before `start`.

        Args:
            role: What the worker is for.
            line: Where its work waits; several supervisors may serve one.
            words: Where its output goes.
            on_ready: Called in the supervisor's thread when a worker is ready.
        """
        self._role = role
        self._line = line
        self._words = words
        self._on_ready = on_ready
        self._waker = Waker()
        self._thread = threading.Thread(target=self._run, name=role.name, daemon=True)
        self._is_leaving = False
        self._worker: WorkerProcess | None = None
        self._in_work: InWork | None = None
        self._ready: Ready | None = None
        self._number = 0
        self._since = 0.0  # when the worker was started or last had work
        self._not_before = 0.0
        self._measured_at = 0.0  # when its memory was measured last
        self._deaths = 0  # since the last answer
        self._failed_starts = 0
        self._restarts = 0
        self._last_words = ""
        line.serve(self._waker.wake)

    def start(self) -> None:
        """Start looking after the worker; return at once."""
        self._thread.start()

    def leave(self) -> None:
        """Begin to end the worker; see `join`."""
        self._is_leaving = True
        self._waker.wake()

    def join(self) -> None:
        """Wait until the worker has ended, after `leave`."""
        if self._thread.ident is not None:
            self._thread.join()
        self._waker.close()

    def status(self) -> WorkerStatus:
        """Say how the worker is."""
        worker = self._worker
        return WorkerStatus(
            name=self._role.name,
            pid=worker.pid if worker else None,
            state=self._state(),
            device=self._ready.device if self._ready else "",
            restarts=self._restarts,
            last_words=self._last_words,
        )

    def _state(self) -> str:
        if self._worker is not None:
            if self._ready is None:
                return "starting"
            return "busy" if self._in_work else "idle"
        return "dead" if self._deaths and not self._is_leaving else "stopped"

    def _run(self) -> None:
        while not self._is_leaving:
            pause = self._not_before - time.monotonic()
            if pause > 0 or not self._is_wanted():
                select.select([self._waker], [], [], max(pause, 0) or None)
                self._waker.drain()
                continue
            try:
                self._live()
            except Exception:
                # Whatever happens, the next worker must be started and the next caller answered.
                log.exception("Looking after the %s failed; it is started anew.", self._role.name)
                self._died("an error in the server", "")

    def _is_wanted(self) -> bool:
        # One that never became ready waits for work: trying on and on would change nothing.
        is_kept = self._role.is_eager or self._ready is not None
        return (self._role.idle_s is None and is_kept) or len(self._line) > 0

    def _live(self) -> None:
        """Run one worker from its start to its end."""
        self._ready = None
        self._since = time.monotonic()
        try:
            self._worker = WorkerProcess(self._role.setup, self._words, self._waker)
        except OSError as error:
            self._died(f"it could not be started: {error}", "")
            return
        try:
            while self._turn(self._worker):
                pass
        except LinkClosed:
            how = self._worker.end()
            self._died(how, self._words.last_words())
        except Unfit as unfit:
            log.warning("The %s is of no use: %s", self._role.name, unfit)
            self._mourn(str(unfit))
            self._line.fail_all(PluginFailed(str(unfit)))
        finally:
            self._worker.end()
            self._worker = None

    def _turn(self, worker: WorkerProcess) -> bool:
        """Do what is to do, then wait for something to happen; False when the worker is over."""
        if self._ready is not None and self._in_work is None and not self._hand_out(worker):
            worker.link.send(Leave())
            worker.end(LEAVE_GRACE_S)
            return False
        if self._ready is None and self._is_leaving:
            return False
        if self._in_work is not None:
            self._nudge(worker, self._in_work)
        try:
            message = worker.listen(self._wait_s())
        except pickle.UnpicklingError as error:
            self._finish(error=PluginFailed(f"A plugin answered with what is no data: {error}."))
            return True
        self._hear(message)
        verdict = self._verdict(worker)
        if verdict is None:
            return True
        log.warning("The %s (process %s) is ended: %s", self._role.name, worker.pid, verdict)
        worker.end()
        self._mourn(self._words.last_words())
        self._finish(error=verdict)
        return False

    def _hand_out(self, worker: WorkerProcess) -> bool:
        """Give the worker what is next; False when it should leave instead."""
        while not self._is_leaving:
            ticket = self._line.take()
            if ticket is None:
                idle_s = self._role.idle_s
                return idle_s is None or time.monotonic() < self._since + idle_s
            if ticket.is_stop_wanted:
                ticket.fail(Stopped("Stopped before it began."))
                continue
            self._begin(worker, ticket)
            return True
        return False

    def _begin(self, worker: WorkerProcess, ticket: Ticket) -> None:
        now = time.monotonic()
        self._number += 1
        ticket.attempts += 1
        self._in_work = InWork(ticket, self._number, began=now, heard=now)
        try:
            worker.link.send(Work(number=self._number, command=ticket.command))
        except (pickle.PicklingError, TypeError, AttributeError, MemoryError) as error:
            self._finish(error=EngineError(f"The work could not be sent to a worker: {error}."))

    def _nudge(self, worker: WorkerProcess, work: InWork) -> None:
        """Pass on what has changed since the worker began."""
        if work.told_to_stop is None and (work.ticket.is_stop_wanted or self._is_leaving):
            work.told_to_stop = time.monotonic()
            work.is_leaving = self._is_leaving
            worker.link.send(StopWork(number=work.number))
        # Work that lost a worker is done alone, so that what it does shows.
        if work.ticket.image is not None and work.ticket.attempts == 1:
            image = self._line.next_image()
            if image is not None and image != work.ahead:
                work.ahead = image
                worker.link.send(Ahead(image=image))

    def _hear(self, message: object) -> None:
        if isinstance(message, Ready):
            python = self._role.setup.python
            if python and (problem := version_problem(python, message.limner)):
                raise Unfit(problem)
            self._ready = message
            self._failed_starts = 0
            self._since = time.monotonic()
            self._on_ready(message)
            return
        work = self._in_work
        if not isinstance(message, Reported | Done | Failed) or work is None:
            return
        if message.number != work.number:
            return
        if isinstance(message, Reported):
            work.heard = time.monotonic()
            work.ticket.report(message.progress)
        elif isinstance(message, Done):
            self._deaths = 0
            self._finish(answer=message.answer)
        else:
            self._deaths = 0
            self._finish(error=self._reason(work, raised(message.failure)))

    def _reason(self, work: InWork, error: LimnerError) -> LimnerError:
        if isinstance(error, Stopped) and not work.ticket.is_stop_wanted:
            return EngineError("The engine stopped before this work was done.")
        return error

    def _finish(self, *, answer: object = None, error: Exception | None = None) -> None:
        work, self._in_work = self._in_work, None
        self._since = time.monotonic()
        if work is None:
            return
        if error is not None:
            work.ticket.fail(error)
        else:
            work.ticket.succeed(answer)

    def _wait_s(self) -> float | None:
        """How long nothing needs to be looked at."""
        now = time.monotonic()
        times = []
        if self._ready is None:
            times.append(self._since + START_S - now)
        elif self._in_work is None:
            if self._role.idle_s is not None:
                times.append(self._since + self._role.idle_s - now)
        elif (deadline := self._in_work.deadline()) is not None:
            times.append(deadline - now)
        if self._role.memory_limit_bytes and (self._in_work or self._ready is None):
            times.append(MEMORY_EVERY_S)
        return max(0.0, min(times)) if times else None

    def _verdict(self, worker: WorkerProcess) -> LimnerError | None:
        """Say why the worker has to be ended; None while all is well."""
        now = time.monotonic()
        if (used := self._measured(worker, now)) > (limit := self._role.memory_limit_bytes):
            return WorkerOutOfMemory(
                f"The {self._role.name} needed more memory than its limit of {limit >> 20} MiB "
                f"({used >> 20} MiB) and was ended. Raise memory_limit_mb of the engine, or give "
                "it smaller images."
            )
        if self._ready is None and now > self._since + START_S:
            raise LinkClosed("It did not become ready in time.")
        return self._in_work.verdict(self._role.name, now) if self._in_work else None

    def _measured(self, worker: WorkerProcess, now: float) -> int:
        """Measure a worker's memory, not at every message; 0 where it is not limited."""
        if not self._role.memory_limit_bytes or now < self._measured_at + MEMORY_EVERY_S:
            return 0
        self._measured_at = now
        return worker.memory_bytes()

    def _died(self, how: str, words: str) -> None:
        """Settle what a worker leaves that ended by itself."""
        name = self._role.name
        log.warning("The %s ended: %s. Its log has its last words.", name, how)
        self._mourn(words)
        if self._ready is None:
            self._failed_starts += 1
            if self._failed_starts >= MOST_FAILED_STARTS:
                self._line.fail_all(self._why_not_started(how, words))
        if self._in_work is None:
            return
        ticket = self._in_work.ticket
        if self._is_leaving:
            self._finish(error=EngineError("The engine stopped before this work was done."))
        elif ticket.is_stop_wanted:
            self._finish(error=Stopped(f"Its worker ended while it was stopping: {how}."))
        elif ticket.attempts < MOST_ATTEMPTS:
            self._in_work = None
            self._line.put_back(ticket)
        else:
            self._finish(
                error=WorkerDied(
                    f"The {name} ended {ticket.attempts} times while it did this work; the last "
                    f"time by {how}. It said: {essence(words)}",
                    last_words=words,
                )
            )

    def _why_not_started(self, how: str, words: str) -> EngineError:
        python = self._role.setup.python
        if python:
            return PluginFailed(start_problem(python, how, words))
        return WorkerDied(f"The {self._role.name} cannot be started: {how}.", last_words=words)

    def _mourn(self, words: str) -> None:
        self._deaths += 1
        self._restarts += 1
        self._last_words = words
        self._not_before = time.monotonic() + backoff_s(self._deaths)
