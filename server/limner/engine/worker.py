"""A worker process: `python -m limner.engine.worker DESCRIPTOR`.

It knows the apps' and strategies' contract and reads images; it knows no database, no HTTP and no
loop. What it and its plugins print goes to its log; the link to the server is a socket of its own.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import queue
import socket
import sys
import threading

from limner.engine.ahead import ReadAhead
from limner.engine.devices import devices_for
from limner.engine.failures import told
from limner.engine.learner import evaluate, train
from limner.engine.limits import settle
from limner.engine.link import Link, LinkClosed
from limner.engine.messages import (
    Ahead,
    Command,
    Describe,
    DescribePixels,
    DescribeTogether,
    Done,
    Evaluate,
    Explain,
    Failed,
    Failure,
    Leave,
    PickRows,
    Predict,
    PromptImage,
    Ready,
    Reported,
    Setup,
    StopWork,
    Train,
    Warm,
    Work,
)
from limner.engine.picker import pick_rows
from limner.engine.predictor import (
    describe,
    describe_pixels,
    describe_together,
    explain,
    predict,
    prompt,
)
from limner.engine.reporting import Reporter
from limner.engine.warm import WarmModels
from limner.errors import EngineError, LimnerError, PluginFailed, WorkerOutOfMemory
from limner.plugin import DescribesTogether, Stopped
from limner.registry import limner_version

log = logging.getLogger("limner.engine.worker")  # this module runs as __main__


class Inbox:
    """Hears the server while work goes on: the next work, the word to stop, the server's end."""

    def __init__(self, link: Link, ahead: ReadAhead) -> None:
        """Hear nothing before `start`."""
        self._link = link
        self._ahead = ahead
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._stopped = 0  # the last number that was told to stop

    def start(self) -> None:
        """Listen in a thread."""
        threading.Thread(target=self._listen, name="inbox", daemon=True).start()

    def next(self) -> Work | None:
        """Wait for work; None means to leave."""
        return self._work.get()

    def is_stopped(self, number: int) -> bool:
        """Tell whether this work was told to stop."""
        return self._stopped == number

    def _listen(self) -> None:
        try:
            while True:
                # Nothing is kept here: a message may hold the arrays of a whole pool.
                self._hear(self._link.receive())
        except LinkClosed:
            os._exit(0)  # the server is gone: whatever is in work has lost its purpose

    def _hear(self, message: object) -> None:
        if isinstance(message, Work):
            self._work.put(message)
        elif isinstance(message, Ahead):
            self._ahead.begin(message.image)
        elif isinstance(message, StopWork):
            self._stopped = message.number
        elif isinstance(message, Leave):
            self._work.put(None)


class Worker:
    """Does one command after the other."""

    def __init__(self, link: Link, inbox: Inbox, models: WarmModels, ahead: ReadAhead) -> None:
        """Hold what commands need."""
        self._link = link
        self._inbox = inbox
        self._models = models
        self._ahead = ahead

    def run(self) -> None:
        """Work until told to leave."""
        while (work := self._inbox.next()) is not None:
            try:
                self._link.send(self._outcome(work))
            except MemoryError as short:
                self._link.send(Failed(number=work.number, failure=_short_of_memory(short)))

    def _outcome(self, work: Work) -> Done | Failed:
        # Failures are put into words at once: an exception that is kept keeps the frames it passed
        # through, and their arrays, alive.
        reporter = Reporter(
            lambda progress: self._link.send(Reported(number=work.number, progress=progress)),
            lambda: self._inbox.is_stopped(work.number),
        )
        try:
            answer = self._answer(work.command, reporter)
            reporter.flush()
            return Done(number=work.number, answer=answer)
        except Stopped as stopped:
            failure = told(stopped) if reporter.should_stop() else _stopped_unasked(stopped)
        except LimnerError as error:
            failure = told(error)
        except MemoryError as short:
            failure = _short_of_memory(short)
        except Exception as error:
            # Our own fault, and the caller must still get an answer.
            log.exception("Work %s failed.", work.number)
            failure = told(EngineError(f"A worker failed: {type(error).__name__}: {error}."))
        return Failed(number=work.number, failure=failure)

    def _answer(self, command: Command, reporter: Reporter) -> object:
        match command:
            case Predict():
                return predict(command, self._models, self._ahead)
            case Explain():
                return explain(command, self._models, self._ahead)
            case PromptImage():
                return prompt(command, self._models, self._ahead)
            case Describe():
                return describe(command, self._models, self._ahead)
            case DescribeTogether():
                return describe_together(command, self._models)
            case DescribePixels():
                return describe_pixels(command, self._ahead)
            case Train():
                return train(command, self._models, reporter)
            case Evaluate():
                return evaluate(command, self._models, reporter)
            case PickRows():
                return pick_rows(command)
            case Warm():
                return isinstance(self._models.model(command.model), DescribesTogether)


def _short_of_memory(short: MemoryError) -> Failure:
    return told(WorkerOutOfMemory(f"A worker needed more memory than there is: {short}"))


def _stopped_unasked(stopped: Stopped) -> Failure:
    return told(PluginFailed(f"A plugin stopped without having been told to: {stopped}"))


def main() -> None:
    """Run a worker until the server lets it go."""
    end = socket.socket(fileno=int(sys.argv[1]))
    end.set_inheritable(False)  # children of plugins must not keep the link open
    link = Link(end, plain=False)
    setup = link.receive()
    if not isinstance(setup, Setup):
        raise SystemExit("A worker is started by the server, not by hand.")
    settle(nice=setup.nice, parent=setup.parent)
    sys.path.extend(path for path in setup.module_path if path not in sys.path)
    faulthandler.enable(all_threads=False)  # short enough for last words
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    devices = devices_for(setup.device)
    device = devices[-1] if setup.takes_last_device else devices[0]
    ahead = ReadAhead()
    inbox = Inbox(link, ahead)
    inbox.start()
    models = WarmModels(device=device, threads=setup.threads, most=setup.warm_models)
    link.send(Ready(device=device, devices=devices, limner=limner_version()))
    log.info("Ready on %s with %s threads.", device, setup.threads)
    Worker(link, inbox, models, ahead).run()


if __name__ == "__main__":
    main()
