"""How long a worker may take, and what is said when it took longer. Pure: the time is given."""

from __future__ import annotations

from dataclasses import dataclass

from limner.engine.tickets import Ticket
from limner.errors import EngineError, LimnerError, WorkerTimeout
from limner.images import ImageSource
from limner.plugin import Stopped

STOP_GRACE_S = 5.0
"""Work that was told to stop and has not is ended after this, with its worker."""

LEAVE_GRACE_S = 1.0
"""How long work may go on when the engine stops."""

LONGEST_BACKOFF_S = 5.0
"""Longest pause before a worker that keeps dying is started again."""


@dataclass(slots=True)
class InWork:
    """A ticket that a worker holds. Times are of one monotonic clock, in seconds."""

    ticket: Ticket
    number: int
    began: float
    heard: float
    """When it began or last reported."""
    told_to_stop: float | None = None
    is_leaving: bool = False
    """Whether it was told to stop because the engine stops."""
    ahead: ImageSource | None = None
    """The image that the worker was told to read ahead."""

    def deadline(self) -> float | None:
        """Return when it will have taken too long, as things stand; None for never."""
        ticket = self.ticket
        grace = LEAVE_GRACE_S if self.is_leaving else STOP_GRACE_S
        each = (
            None if ticket.limit_s is None else self.began + ticket.limit_s,
            None if ticket.stall_s is None else self.heard + ticket.stall_s,
            None if self.told_to_stop is None else self.told_to_stop + grace,
        )
        return min((time for time in each if time is not None), default=None)

    def verdict(self, who: str, now: float) -> LimnerError | None:
        """Say why it is given up; None while it has time left.

        Args:
            who: The worker's name.
            now: The time.
        """
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return None
        ticket = self.ticket
        if self.is_leaving:
            return EngineError("The engine stopped before this work was done.")
        if self.told_to_stop is not None:
            return Stopped(
                f"It did not stop within {STOP_GRACE_S:g} s of being told, so the {who} was ended. "
                "What it had checkpointed is kept."
            )
        if ticket.limit_s is not None and now >= self.began + ticket.limit_s:
            return WorkerTimeout(
                f"The {who} did not answer within {ticket.limit_s:g} s and was ended. A longer "
                "time can be given in the settings of the engine."
            )
        return WorkerTimeout(
            f"The {who} reported nothing for {ticket.stall_s:g} s and was ended. A longer time "
            "can be given in the settings of the engine."
        )


def backoff_s(deaths: int) -> float:
    """Return the pause before the next start, after so many deaths without an answer between."""
    return 0.0 if deaths <= 1 else min(LONGEST_BACKOFF_S, 0.1 * 2.0 ** min(deaths - 2, 16))
