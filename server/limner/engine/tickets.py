"""Work that waits for a worker, and the callers who wait for the work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from limner.engine.interface import Priority
from limner.engine.messages import Command, Describe, DescribePixels, Predict
from limner.engine.scheduling import FairQueue
from limner.errors import EngineBusy, EngineError
from limner.images import ImageSource
from limner.plugin import Progress

MOST_WAITING = 256
"""More work than this waiting for one kind of worker is refused."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event of a ticket."""

    answer: object = None
    error: Exception | None = None


class Ticket:
    """One command on its way, held by the caller's thread and by a worker's."""

    def __init__(
        self,
        command: Command,
        *,
        limit_s: float | None = None,
        stall_s: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
        client: str = "",
    ) -> None:
        """Describe the work.

        Args:
            command: What a worker is told.
            limit_s: Longest time in work; None for any.
            stall_s: Longest time in work without a report; None for any.
            priority: Who goes first.
            client: Whose turn it takes.
        """
        self.command = command
        self.limit_s = limit_s
        self.stall_s = stall_s
        self.priority = priority
        self.client = client
        self.attempts = 0
        """How often it was handed to a worker."""
        self.is_stop_wanted = False
        """Set by the caller: it should end early."""
        self._events: queue.SimpleQueue[Progress | Ended] = queue.SimpleQueue()

    @property
    def image(self) -> ImageSource | None:
        """The image that the work is about, if it is about one."""
        if isinstance(self.command, Predict | Describe | DescribePixels):
            return self.command.image
        return None

    def report(self, progress: Progress) -> None:
        """Tell the caller how far it has come."""
        self._events.put(progress)

    def succeed(self, answer: object) -> None:
        """Give the caller the answer."""
        self._events.put(Ended(answer=answer))

    def fail(self, error: Exception) -> None:
        """Give the caller the reason why there is no answer."""
        self._events.put(Ended(error=error))

    def event(self, timeout_s: float | None = None) -> Progress | Ended | None:
        """Wait for what happens next; None when nothing did in time."""
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None


class Line:
    """Where tickets wait for any of the workers that serve it. Safe for threads."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._waiting: FairQueue[Ticket] = FairQueue()
        self._wakers: list[Callable[[], None]] = []
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def serve(self, wake: Callable[[], None]) -> None:
        """Have `wake` called whenever something changes."""
        with self._lock:
            self._wakers.append(wake)

    def join(self, ticket: Ticket) -> None:
        """Wait for a worker.

        Raises:
            EngineBusy: Too many wait already.
            EngineError: The engine has stopped.
        """
        with self._lock:
            if self._is_closed:
                raise EngineError("The engine has stopped; it takes no more work.")
            if len(self._waiting) >= MOST_WAITING:
                raise EngineBusy(
                    f"{MOST_WAITING} requests wait for the {self._name} already; try again in a "
                    "while."
                )
            self._push(ticket, first=False)
        self.wake()

    def put_back(self, ticket: Ticket) -> None:
        """Let a ticket that lost its worker go first."""
        with self._lock:
            if not self._is_closed:
                self._push(ticket, first=True)
                return
        ticket.fail(EngineError("The engine stopped before this work was done."))

    def take(self) -> Ticket | None:
        """Take the ticket whose turn it is."""
        with self._lock:
            return self._waiting.pop()

    def next_image(self) -> ImageSource | None:
        """Return the image of the ticket whose turn is next, if it is about one."""
        with self._lock:
            ticket = self._waiting.peek()
            return ticket.image if ticket else None

    def withdraw(self, ticket: Ticket) -> bool:
        """Take a waiting ticket out; False when it is in work, and its worker is woken then."""
        with self._lock:
            found = self._waiting.remove(ticket)
        if not found:
            self.wake()
        return found

    def fail_all(self, error: Exception) -> None:
        """Fail everything that waits."""
        while ticket := self.take():
            ticket.fail(error)

    def close(self) -> None:
        """Refuse new work and fail what waits."""
        with self._lock:
            self._is_closed = True
        self.fail_all(EngineError("The engine stopped before this work was done."))

    def wake(self) -> None:
        """Wake every worker's thread."""
        for wake in self._wakers:
            wake()

    def _push(self, ticket: Ticket, *, first: bool) -> None:
        self._waiting.push(ticket, level=ticket.priority, client=ticket.client, first=first)
