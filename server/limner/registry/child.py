"""Asks a question of a fresh interpreter, so that foreign code runs there and not here.

Whatever the child does, this side goes on: it waits for a limited time, keeps a limited part of
what the child says, and ends it with all that it started.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from limner.registry.interpreters import environment_for

MOST_BYTES = 4 << 20
"""Longest answer that is read."""

_LAST_WORDS = 4096
_REST_S = 1.0


@dataclass(frozen=True, slots=True)
class ChildAnswer:
    """What a child said, and how it ended."""

    document: Any
    """The JSON that it answered; None where there is none that can be read."""
    ended: str
    """Why there is no answer, such as `ended its process with code 3`; empty where there is one."""
    code: int = 0
    """Exit code; negative for a signal that ended it, as of one that took too long."""
    words: str = ""
    """The end of what it printed elsewhere."""


class _Kept:
    """Reads a pipe to its end in a thread and keeps a limited part."""

    def __init__(self, pipe: IO[bytes], most: int, *, last: bool) -> None:
        self._pipe = pipe
        self._most = most
        self._last = last
        self._kept = bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def rest(self) -> bytes:
        """Return what was kept, once the child has ended."""
        # Limited: a process that left the child's group may still hold the other end.
        self._thread.join(_REST_S)
        return bytes(self._kept)

    def _read(self) -> None:
        with self._pipe:
            while chunk := os.read(self._pipe.fileno(), 1 << 16):
                self._kept += chunk
                if len(self._kept) > self._most:
                    if self._last:
                        del self._kept[: -self._most]
                    else:
                        del self._kept[self._most :]


def ask_child(
    module: str, question: Mapping[str, Any], timeout_s: float, python: str = ""
) -> ChildAnswer:
    """Run `python -m module` with a question as JSON and read its answer as JSON.

    Args:
        module: What to run; it reads standard input and writes standard output.
        question: Sent as it is, with `timeout_s` and `path` added: this process's import path, or
            null for another interpreter, which has its own.
        timeout_s: Seconds that it may take.
        python: Interpreter to run; empty for the server's own.

    Raises:
        OSError: The system cannot start a process now.
    """
    path = None if python else sys.path
    asked = json.dumps({**question, "path": path, "timeout_s": timeout_s}).encode()
    child = subprocess.Popen(
        # -P: the folder we happen to stand in is no place to import from.
        [python or sys.executable, "-P", "-m", module],
        env=environment_for(python),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdin and child.stdout and child.stderr  # noqa: S101, PT018 - all are pipes
    deadline = time.monotonic() + timeout_s
    try:
        answer = _Kept(child.stdout, MOST_BYTES, last=False)
        words = _Kept(child.stderr, _LAST_WORDS, last=True)
        with suppress(BrokenPipeError), child.stdin as pipe:
            pipe.write(asked)
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return ChildAnswer(None, f"did not end within {timeout_s:g} s", -signal.SIGKILL)
    finally:
        _end(child)
    said = words.rest().decode("utf-8", "replace")
    try:
        return ChildAnswer(json.loads(answer.rest()), "", child.returncode, said)
    except (ValueError, RecursionError):
        process = f"its process ({python})" if python else "its process"
        last = " ".join(said.split())[-500:] or "nothing"
        ended = f"ended {process} with code {child.returncode}; last words: {last}"
        return ChildAnswer(None, ended, child.returncode, said)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child with all that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
