"""The server that carries the application: waitress, in a thread of its own."""

from __future__ import annotations

import logging
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.server import create_server

from limner.errors import SettingsError
from limner.http.app import create_app
from limner.http.auth import check_exposure
from limner.http.channel import channel_class
from limner.http.context import EXTENSION, Parts
from limner.settings import Settings

if TYPE_CHECKING:
    from limner.loop.service import Service

log = logging.getLogger(__name__)

GRACE_S = 10.0
"""How long running requests may go on once the server stops."""

_CONNECTIONS = 1000
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (compared with, not listened on)


class Server:
    """Answers HTTP requests for a service. The service's own life is its owner's affair."""

    def __init__(self, service: Service, settings: Settings) -> None:
        """Make the application; nothing listens before `start`.

        Raises:
            SettingsError: Others could reach the server and no token is set.
        """
        check_exposure(settings)
        self.settings = settings
        self.app = create_app(service)
        self._parts: Parts = self.app.extensions[EXTENSION]
        self._waitress: Any = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    @property
    def url(self) -> str:
        """Where the server is, such as `http://127.0.0.1:8000`, once it listens."""
        if self._waitress is None:
            raise RuntimeError("The server does not listen yet; call start() first.")
        host = _WILDCARDS.get(self.settings.host, self.settings.host).strip("[]")
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self._waitress.effective_port}"

    def start(self) -> None:
        """Listen, and answer in threads; returns once connections are accepted.

        Raises:
            SettingsError: The address cannot be listened on.
        """
        listening = _listen(self.settings.host, self.settings.port)
        self._waitress = create_server(self.app, sockets=[listening], **self._adjustments())
        # How long its queue is, metrics say; a line for every request that waits says it too often.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._waitress.channel_class = channel_class(self.settings)
        self._thread = threading.Thread(target=self._waitress.run, name="web", daemon=True)
        self._thread.start()
        log.info("Listening on %s", self.url)

    def run(self) -> None:
        """Start where needed, and return when somebody calls `stop`."""
        if self._thread is None:
            self.start()
        self._stopped.wait()

    def stop(self, grace_s: float = GRACE_S) -> None:
        """End: accept nothing more, let running requests finish for a while, close the rest."""
        server, thread = self._waitress, self._thread
        if server is None or thread is None or self._stopped.is_set():
            self._stopped.set()
            return
        self._parts.streams.stop()
        # Sockets belong to the web thread; it is asked to close them.
        server.trigger.pull_trigger(lambda: wasyncore.dispatcher.close(server))
        deadline = time.monotonic() + grace_s
        server.task_dispatcher.shutdown(timeout=grace_s)
        while time.monotonic() < min(deadline, deadline - grace_s + 2) and _unsent(server):
            server.trigger.pull_trigger()
            time.sleep(0.01)
        server.trigger.pull_trigger(lambda: _close_connections(server))
        thread.join(5)
        server.trigger.close()
        self._stopped.set()
        log.info("The web server has stopped")

    def _adjustments(self) -> dict[str, Any]:
        return {
            "threads": self.settings.threads,
            "connection_limit": _CONNECTIONS,
            "backlog": 1024,
            "channel_timeout": 120,
            # One byte read ahead lets a stream notice that its reader has gone.
            "channel_request_lookahead": 1,
            "max_request_body_size": self.settings.limits.max_body_bytes + 1,
            "max_request_header_size": 1 << 16,
            # What is sent comes from files or from memory in small pieces: it is never written to a
            # disk on its way out, which may be full.
            "outbuf_high_watermark": 4 << 20,
            "outbuf_overflow": 1 << 62,
            "asyncore_use_poll": True,
            "ident": None,
            "expose_tracebacks": False,
        }


def _listen(host: str, port: int) -> socket.socket:
    """Bind a socket.

    Raises:
        SettingsError: It cannot be bound.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    try:
        # A port that was just let go can be taken again at once, one that is in use cannot.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise _cannot_listen(host, port, error) from error
    return listening


def _cannot_listen(host: str, port: int, error: OSError) -> SettingsError:
    return SettingsError(
        f"Cannot listen on {host}, port {port}: {error.strerror or error}. Choose another port "
        "(--port), or 0 for any that is free."
    )


def _close_connections(server: Any) -> None:
    """Close what is left and end the loop; the trigger, which may still be pulled, stays."""
    for each in list(server._map.values()):
        if each is not server.trigger:
            each.close()
    server._map.clear()


def _unsent(server: Any) -> bool:
    return any(each.total_outbufs_len for each in list(server.active_channels.values()))
