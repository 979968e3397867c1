"""One worker process, as the server holds it."""

from __future__ import annotations

import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress

import psutil

from limner.engine.limits import worker_environment
from limner.engine.link import Link, LinkClosed
from limner.engine.messages import Setup
from limner.engine.waker import Waker
from limner.engine.words import WorkerLog

WORKER_MODULE = "limner.engine.worker"

HALF_MESSAGE_S = 30.0
"""A worker that stops in the middle of a message for so long is broken."""

BLIND_WAIT_S = 0.2
"""How often a process is asked whether it lives, where the system has no descriptor for that."""

LAST_WORDS_S = 0.5
"""How long to wait for the rest of an ended worker's output."""


class WorkerProcess:
    """A fresh interpreter that runs `limner.engine.worker`. Used by one thread.

    It is spawned, never forked, so no lock or thread of the web process is copied into it. It
    leads a process group of its own: its children end with it, and Ctrl-C in a terminal does not
    reach it. The thread that makes it must outlive it: to Linux, the maker is the parent whose end
    ends the worker.
    """

    def __init__(self, setup: Setup, log: WorkerLog, waker: Waker) -> None:
        """Start the process and return at once; its first message is `Ready`.

        Raises:
            OSError: The system cannot start a process now.
        """
        ours, theirs = socket.socketpair()
        self.link = Link(ours, plain=True, patience_s=HALF_MESSAGE_S)
        self._log = log
        self._waker = waker
        try:
            with theirs:
                self._process, output = _spawn(setup, theirs)
        except OSError:
            self.link.close()
            raise
        self.pid = self._process.pid
        self._follower: threading.Thread = log.follow(output)
        self._sentinel = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else None
        self._how_ended: str | None = None
        self._selector = selectors.DefaultSelector()
        for each in (self.link, waker, self._sentinel):
            if each is not None:
                self._selector.register(each, selectors.EVENT_READ)
        with suppress(LinkClosed):  # noticed by `listen`
            self.link.send(setup)

    def listen(self, timeout_s: float | None) -> object | None:
        """Wait for a message, for the end, or to be woken.

        Returns:
            The message; None when there is none yet.

        Raises:
            LinkClosed: The process ended, or is of no use any more.
            pickle.UnpicklingError: The message was not plain data.
        """
        if self._sentinel is None:
            timeout_s = BLIND_WAIT_S if timeout_s is None else min(timeout_s, BLIND_WAIT_S)
        ready = {key.fileobj for key, _ in self._selector.select(timeout_s)}
        if self._waker in ready:
            self._waker.drain()
        if self.link in ready:  # first, since an ended worker may have answered before
            return self.link.receive()
        if self._sentinel in ready or (self._sentinel is None and self._process.poll() is not None):
            raise LinkClosed("The process ended.")
        return None

    def memory_bytes(self) -> int:
        """Memory that the process holds now; 0 when it is gone."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def end(self, grace_s: float = 0.0) -> str:
        """End the process and all of its children, and say how it ended. May be called again.

        Args:
            grace_s: How long it may take to end by itself.

        Returns:
            Such as `exit code 3` or `signal SIGKILL`.
        """
        if self._how_ended is not None:
            return self._how_ended
        if self._sentinel is not None:
            select.select([self._sentinel], [], [], grace_s)
        else:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        # The group is ended before the leader is reaped: until then its number is nobody else's.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._process.wait()
        self._follower.join(LAST_WORDS_S)
        self._selector.close()
        self.link.close()
        if self._sentinel is not None:
            os.close(self._sentinel)
        self._how_ended = _in_words(code)
        return self._how_ended


def _spawn(setup: Setup, theirs: socket.socket) -> tuple[subprocess.Popen[bytes], int]:
    """Start the interpreter; return it and the descriptor that its output comes from."""
    output, theirs_to_write = os.pipe()
    end = theirs.fileno()
    try:
        process = subprocess.Popen(
            # -P: a file named like a module in the current folder must not become that module.
            [setup.python or sys.executable, "-P", "-m", WORKER_MODULE, str(end)],
            stdin=subprocess.DEVNULL,
            stdout=theirs_to_write,
            stderr=theirs_to_write,
            pass_fds=(end,),
            env=worker_environment(setup.threads, python=setup.python),
            process_group=0,
        )
    except OSError:
        os.close(output)
        raise
    finally:
        os.close(theirs_to_write)
    return process, output


def _in_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        name = signal.Signals(-code).name
        if -code == signal.SIGKILL:
            return f"signal {name}, from outside: the system does that when memory runs out"
        return f"signal {name}"
    return f"signal {-code}"
