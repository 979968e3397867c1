"""Running a server in this process: from its settings to a clean end."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from limner.cli.logs import logging_to
from limner.home import HomeLock, check_database
from limner.settings import Settings

if TYPE_CHECKING:
    from limner.loop.service import Service

log = logging.getLogger(__name__)

STOP_WITHIN_S = 15.0
"""A server that has not ended so long after it was told to is ended by force."""

WEB_GRACE_S = 3.0
"""How long requests that are being answered may go on."""

SWITCH_S = 0.0005
"""How long one thread of Python may keep the others waiting, in seconds. With Python's own 5 ms an
answer that lets go of the lock ten times takes 50 ms beside a busy thread."""

GARBAGE_FROM = 20_000
"""Objects between two collections of the youngest garbage. Python's own 700 has a list of a
thousand samples looked through many times while it is made."""


def build(settings: Settings) -> Service:
    """Put the service together; nothing runs yet, and no learning library is imported."""
    from limner.engine.local import LocalEngine
    from limner.loop.service import Service
    from limner.records.database import FILE_NAME, Records
    from limner.registry import Registry

    check_database(settings.home, FILE_NAME)
    registry = Registry(settings.plugins)
    engine = LocalEngine(settings.engine, registry, settings.home / "logs")
    return Service(settings, Records.open(settings.home), engine, registry)


def run(
    settings: Settings,
    *,
    on_ready: Callable[[str, Path], None],
    verbose: bool = False,
    stop_with_stdin: bool = False,
) -> None:
    """Serve until a signal says to stop.

    Args:
        settings: All of them.
        on_ready: Told the server's URL and its log file once it answers.
        verbose: Show debug lines.
        stop_with_stdin: End when standard input does, as it does when a parent process has died.

    Raises:
        SettingsError: The home, the address or a project cannot be used.
        HomeInUse: Another server has the home.
    """
    from limner.http.auth import check_exposure
    from limner.http.server import Server

    check_exposure(settings)
    _tune_python()
    stop = threading.Event()
    with ExitStack() as stack:
        last_resort = threading.Timer(STOP_WITHIN_S, _end_by_force)
        last_resort.daemon = True
        stack.callback(last_resort.cancel)
        lock = stack.enter_context(HomeLock(settings.home))
        log_file = stack.enter_context(logging_to(settings.home / "logs", verbose=verbose))
        stack.enter_context(_stopped_by_signals(stop))
        service = build(settings)
        stack.callback(service.stop)
        server = Server(service, settings)
        service.start()
        stack.callback(server.stop, WEB_GRACE_S)
        server.start()
        lock.note(url=server.url)
        gc.freeze()  # what lives as long as the server need not be looked at again
        if stop_with_stdin:
            threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
        on_ready(server.url, log_file)
        stop.wait()
        log.info("Stopping")
        last_resort.start()


def _tune_python() -> None:
    """Make answers come evenly: what is best for a script is not for a server with threads."""
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(GARBAGE_FROM, 20, 50)


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM set an event; a second one ends the process at once."""

    def told(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    before = {each: signal.signal(each, told) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _stop_at_end_of_input(stop: threading.Event) -> None:
    # Not through `sys.stdin`: a thread inside its lock at the end makes Python abort.
    while os.read(0, 1 << 10):
        pass
    stop.set()


def _end_by_force() -> None:
    log.error("Stopping took longer than %s seconds; ended by force", STOP_WITHIN_S)
    os._exit(1)
