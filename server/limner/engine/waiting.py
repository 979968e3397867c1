"""How callers wait for their tickets."""

from __future__ import annotations

from limner.engine.tickets import Ended, Line, Ticket
from limner.plugin import Progress, Stopped, Watch

LISTEN_S = 0.1
"""How often a watch is asked whether to stop."""


def await_answer(line: Line, ticket: Ticket) -> object:
    """Join the line and wait for the answer.

    Raises:
        LimnerError: There is none.
    """
    line.join(ticket)
    try:
        while True:
            event = ticket.event()
            if isinstance(event, Ended):
                return _answer(event)
    except KeyboardInterrupt:
        stopped(line, ticket)
        raise


def attend(line: Line, ticket: Ticket, watch: Watch, *, has_joined: bool = False) -> object:
    """Join the line and wait for the answer, telling the watch and listening to it.

    Raises:
        Stopped: The watch said so.
        LimnerError: There is no answer.
    """
    if not has_joined:
        line.join(ticket)
    try:
        while True:
            if not ticket.is_stop_wanted and watch.should_stop() and stopped(line, ticket):
                raise Stopped("Stopped before it began.")
            event = ticket.event(LISTEN_S)
            if isinstance(event, Ended):
                return _answer(event)
            if isinstance(event, Progress):
                watch.progress(event)
    except BaseException:
        stopped(line, ticket)  # nobody waits any more, whatever the watch raised
        raise


def stopped(line: Line, ticket: Ticket) -> bool:
    """Tell a ticket to stop; True when it had not begun and never will."""
    ticket.is_stop_wanted = True
    return line.withdraw(ticket)


def _answer(event: Ended) -> object:
    if event.error is not None:
        raise event.error
    return event.answer
