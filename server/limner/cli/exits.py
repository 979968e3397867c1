"""What the exit codes of `limner` mean."""

from __future__ import annotations

from enum import IntEnum

from limner.client.errors import HTTPProblem, Overloaded, ServerFailed, ServerUnreachable
from limner.errors import InvalidRequest, SettingsError, Unauthorised
from limner.home import HomeInUse
from limner.plugin.errors import LimnerError


class Exit(IntEnum):
    """Exit codes; scripts may rely on them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    IN_USE = 5
    INTERRUPTED = 130


MEANINGS = (
    "Exit codes: 0 done · 1 failed · 2 wrong command line or settings · 3 no server answers · "
    "4 the server refused (token, no such project, …) · 5 the home is in use by another server · "
    "130 interrupted"
)


def code_for(error: LimnerError) -> Exit:
    """Choose the exit code for an error that was raised on purpose."""
    match error:
        case HomeInUse():
            return Exit.IN_USE
        case SettingsError() | InvalidRequest():
            return Exit.USAGE
        case ServerUnreachable():
            return Exit.UNREACHABLE
        case ServerFailed() | Overloaded():
            return Exit.FAILED
        case HTTPProblem() | Unauthorised():
            return Exit.REFUSED
        case _:
            return Exit.FAILED
