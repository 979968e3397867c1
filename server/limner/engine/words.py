"""What a worker and its plugins print: kept in a bounded file, the end of it at hand."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

TAIL_BYTES = 4096
TAIL_LINES = 20
CHUNK_BYTES = 64 * 1024


def essence(words: str) -> str:
    """Pick the line that says most: what Python said of a crash, else the last one."""
    lines = words.splitlines()
    crashes = [line for line in lines if line.startswith("Fatal Python error")]
    return (crashes or lines or ["nothing"])[-1]


class WorkerLog:
    """Follows the output of the successive workers of one role."""

    def __init__(self, path: Path, *, most_bytes: int = 4 * 2**20) -> None:
        """Write to `path`, and at `most_bytes` start anew, keeping one older file beside it."""
        self._path = path
        self._most_bytes = most_bytes
        self._tail = b""

    def follow(self, descriptor: int) -> threading.Thread:
        """Read a new worker's output until it ends, in a thread that is returned."""
        self._tail = b""
        thread = threading.Thread(
            target=self._read, args=(descriptor,), name=f"log-{self._path.stem}", daemon=True
        )
        thread.start()
        return thread

    def last_words(self) -> str:
        """Return the last lines of the newest worker; empty when it printed none."""
        lines = self._tail.decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def _read(self, descriptor: int) -> None:
        with suppress(OSError), open(descriptor, "rb", buffering=0) as pipe:
            while chunk := pipe.read(CHUNK_BYTES):
                self._tail = (self._tail + chunk)[-TAIL_BYTES:]
                # A full disk must not stop a worker that prints, so what cannot be kept is let go.
                with suppress(OSError):
                    self._write(chunk)

    def _write(self, chunk: bytes) -> None:
        with open(self._path, "ab") as file:
            file.write(chunk)
            size = file.tell()
        if size > self._most_bytes:
            os.replace(self._path, self._path.with_suffix(".log.1"))
