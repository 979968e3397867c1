"""A real `limner serve` in a process of its own, for as long as a block lasts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import httpx

from limner.errors import EngineError
from limner.home import holder

STOP_WITHIN_S = 20.0
_LAST_WORDS = 2000


class ServerFailed(EngineError):
    """A server that was started here did not become ready, or ended by itself."""


class ServerProcess:
    """Starts a server on a free port, and ends it with its workers whatever happens.

    The server ends when its standard input does, so it does not outlive this process even when
    this one is killed.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        home: Path,
        port: int = 0,
        ready_within_s: float = 60.0,
        environment: dict[str, str] | None = None,
    ) -> None:
        """Prepare; `with` starts it.

        Args:
            arguments: What follows `limner serve`, without home and port.
            home: Folder of its database, files and logs; also gets what it prints, `server.txt`.
            port: Where it listens; 0 picks a free port.
            ready_within_s: How long it may take to answer.
            environment: Variables beside those of this process.
        """
        self.home = home
        self.output = home / "server.txt"
        self.url = ""
        self.ready_s = 0.0
        """How long it took from being started to answering `/health/ready`."""
        self._arguments = [*arguments, "--home", str(home), "--port", str(port)]
        self._ready_within_s = ready_within_s
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Id of the server's process."""
        if self._process is None:
            raise RuntimeError("The server does not run; use `with`.")
        return self._process.pid

    def __enter__(self) -> ServerProcess:
        """Start it and wait until it is ready.

        Raises:
            ServerFailed: It ended, or was not ready in time; the message has its last words.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "limner.cli",
                    "serve",
                    "--stop-with-stdin",
                    *self._arguments,
                ],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for the parent, which then ends the server.
            )
        try:
            self._wait_until_ready(started)
        except BaseException:
            self.stop()
            raise
        self.ready_s = time.monotonic() - started
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> int | None:
        """End it, gently first; return its exit code."""
        process = self._process
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.stdin is not None:
            process.stdin.close()
        return process.returncode

    def last_words(self) -> str:
        """What it printed last."""
        try:
            return self.output.read_text(errors="replace")[-_LAST_WORDS:].strip()
        except OSError:
            return ""

    def _wait_until_ready(self, started: float) -> None:
        while time.monotonic() - started < self._ready_within_s:
            if self._process is not None and self._process.poll() is not None:
                raise ServerFailed(
                    f"The server ended with code {self._process.returncode}:\n{self.last_words()}"
                )
            pid, url = holder(self.home)
            if url is not None and pid == self.pid and _answers(url):
                self.url = url
                return
            time.sleep(0.02)
        raise ServerFailed(
            f"The server was not ready within {self._ready_within_s:g} s:\n{self.last_words()}"
        )


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
