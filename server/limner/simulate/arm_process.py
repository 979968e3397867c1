"""A process that does pieces of work of a comparison: `python -m limner.simulate.arm_process SPEC`.

A spec is a JSON file: `out`, the folder of results; `item`, a `WorkItem`; `threads` and `device` of
the workers. With specs on the command line it does those and ends. Without any it reads the paths
of specs from its standard input, one a line, keeps its workers from one to the next, and ends when
its input does, which it also does when the process that started it has died.

What it does it tells on standard output as JSON, one event a line: `stage`, `round`, and at the end
of each piece of work `done`, `stopped` or `failed`.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from limner.errors import LimnerError
from limner.plugin import Stopped
from limner.registry import Registry
from limner.simulate.arm_engine import ArmEngine
from limner.simulate.arm_home import arm_engine
from limner.simulate.arm_watch import ArmWatch
from limner.simulate.arm_work import do_work, material_of
from limner.simulate.work_items import WorkItem

log = logging.getLogger("limner.simulate.arm_process")  # this module runs as __main__


class ArmProcess:
    """Does one piece of work after the other, with the same workers."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self.stopping = threading.Event()
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="surrogateescape")
        # Whatever prints by mistake must not come between the events.
        os.dup2(2, 1)
        self._telling = threading.Lock()
        self._engine: ArmEngine | None = None
        self._registry: Registry | None = None

    def run(self, specs: Iterator[Path]) -> bool:
        """Do the work of every spec; tell whether all of it was done."""
        is_done = True
        try:
            for spec in specs:
                is_done = self._do(spec) and is_done
                if self.stopping.is_set():
                    break
        finally:
            if self._engine is not None:
                self._engine.close()
        return is_done

    def tell(self, event: Mapping[str, Any]) -> None:
        """Tell an event; nobody may be listening any more."""
        try:
            with self._telling:
                self._out.write(json.dumps(event) + "\n")
                self._out.flush()
        except OSError:
            self.stopping.set()

    def _do(self, path: Path) -> bool:
        try:
            spec = json.loads(path.read_text(encoding="utf-8"))
            out, item = Path(spec["out"]), WorkItem.from_json(spec["item"])
            material = material_of(out)
            if self._registry is None or self._engine is None:
                self._registry = Registry(tuple(Path(each) for each in material.design.plugins))
                logs = out / "work" / f"logs-{os.getpid()}"
                threads, device = int(spec["threads"]), str(spec["device"])
                self._engine = arm_engine(self._registry, logs, threads=threads, device=device)
            watch = ArmWatch(self.tell, self.stopping)
            do_work(out, item, material, self._engine, self._registry, watch)
        except Stopped:
            self.tell({"event": "stopped"})
            return False
        except LimnerError as error:
            log.warning("%s: %s", path.name, type(error).__name__)
            self.tell({"event": "failed", "type": type(error).__name__, "words": str(error)})
            return False
        except Exception as error:
            log.exception("%s failed unexpectedly", path.name)
            self.tell({"event": "failed", "type": type(error).__name__, "words": repr(error)})
            return False
        self.tell({"event": "done"})
        return True


def main(arguments: Sequence[str]) -> int:
    """Do the work of the specs given, or of those that come on standard input."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    process = ArmProcess()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: _told(process, number, frame))
    specs = map(Path, arguments) if arguments else _specs_from_input(process.stopping)
    return 0 if process.run(specs) else 1


def _told(process: ArmProcess, number: int, frame: FrameType | None) -> None:
    if process.stopping.is_set():
        os._exit(128 + number)
    process.stopping.set()


def _specs_from_input(stopping: threading.Event) -> Iterator[Path]:
    """Yield the paths that come in; the end of the input is the end of the work."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        # Not through `sys.stdin`: a thread inside its lock at the end makes Python abort.
        rest = b""
        while data := os.read(0, 1 << 16):
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                lines.put(os.fsdecode(line))
        stopping.set()
        lines.put(None)

    threading.Thread(target=read, name="input", daemon=True).start()
    while (line := lines.get()) is not None:
        yield Path(line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
