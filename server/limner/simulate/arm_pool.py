"""Several processes that do the work of a comparison side by side."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from limner.simulate.whole_files import write_json
from limner.simulate.work_items import WorkItem

STOP_WITHIN_S = 30.0
_ENDED = {"done", "stopped", "failed"}

OnEvent = Callable[[WorkItem, Mapping[str, Any]], None]


@dataclass(slots=True, eq=False)
class _Worker:
    """One process, and what it does now."""

    number: int
    process: subprocess.Popen[bytes]
    item: WorkItem | None = None


class ArmPool:
    """Keeps some processes busy; `with` ends them whatever happens."""

    def __init__(
        self, out: Path, *, parallel: int, threads: int, device: str, on_event: OnEvent
    ) -> None:
        """Start nothing yet.

        Args:
            out: Folder of results.
            parallel: How many processes at most.
            threads: Of the workers of each process.
            device: Where models run.
            on_event: Told what the processes tell, in the caller's thread.
        """
        self._out = out
        self._parallel = parallel
        self._threads = threads
        self._device = device
        self._on_event = on_event
        self._workers: list[_Worker] = []
        self._events: queue.Queue[tuple[_Worker, Mapping[str, Any] | None]] = queue.Queue()

    def __enter__(self) -> ArmPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def run(self, items: Iterable[WorkItem]) -> dict[str, str]:
        """Do all of the work, what others wait for first.

        Args:
            items: In the order of doing. One that names a beginning among them waits for it, and
                is not done where that has failed.

        Returns:
            What failed: words by key.
        """
        waiting = list(items)
        open_keys = {each.key for each in waiting}
        failed: dict[str, str] = {}
        while waiting or any(each.item for each in self._workers):
            for each in [item for item in waiting if item.after in failed]:
                waiting.remove(each)
                open_keys.discard(each.key)
                failed[each.key] = f"Its beginning {each.after} failed."
            self._hand_out(waiting, open_keys)
            if not any(each.item for each in self._workers):
                continue
            worker, event = self._events.get()
            item = worker.item
            if event is None:
                self._workers.remove(worker)
                if item is None:
                    continue
                event = {"event": "failed", "words": self._last_words(worker)}
            if item is None:
                continue
            if event["event"] in _ENDED:
                worker.item = None
                open_keys.discard(item.key)
                if event["event"] != "done":
                    failed[item.key] = str(event.get("words", "It was told to stop."))
            self._on_event(item, event)
        return failed

    def close(self) -> None:
        """End the processes: gently, since what they have done so far is to be kept."""
        for each in self._workers:
            with suppress(OSError):
                if each.process.stdin is not None:
                    each.process.stdin.close()
            if each.item is not None and each.process.poll() is None:
                each.process.send_signal(signal.SIGTERM)
        for each in self._workers:
            try:
                each.process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(each.process.pid, signal.SIGKILL)
                each.process.wait()
        self._workers = []

    def _hand_out(self, waiting: list[WorkItem], open_keys: set[str]) -> None:
        """Give every idle process something that waits for nothing."""
        while ready := next((each for each in waiting if each.after not in open_keys), None):
            worker = next((each for each in self._workers if each.item is None), None)
            if worker is None and len(self._workers) < self._parallel:
                worker = self._start()
            if worker is None:
                return
            waiting.remove(ready)
            worker.item = ready
            self._send(worker, ready)

    def _send(self, worker: _Worker, item: WorkItem) -> None:
        spec = item.work(self._out) / "spec.json"
        content = {
            "out": str(self._out),
            "item": item.as_json(),
            "threads": self._threads,
            "device": self._device,
        }
        write_json(spec, content)
        assert worker.process.stdin is not None  # noqa: S101 - started with a pipe
        with suppress(OSError):  # it has died, which its reader tells
            worker.process.stdin.write(os.fsencode(spec) + b"\n")
            worker.process.stdin.flush()

    def _start(self) -> _Worker:
        taken = {each.number for each in self._workers}
        number = next(n for n in range(1, self._parallel + 1) if n not in taken)
        log = self._log(number)
        log.parent.mkdir(parents=True, exist_ok=True)
        threads = str(self._threads)
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "limner.simulate.arm_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env={**os.environ, **limits},
                start_new_session=True,  # Ctrl-C is for the parent, which then ends them.
            )
        worker = _Worker(number, process)
        self._workers.append(worker)
        threading.Thread(
            target=self._listen, args=(worker, process.stdout), name="arm-events", daemon=True
        ).start()
        return worker

    def _log(self, number: int) -> Path:
        return self._out / "work" / f"process-{number}.log"

    def _listen(self, worker: _Worker, output: IO[bytes]) -> None:
        with output:
            for line in output:
                with suppress(ValueError):
                    self._events.put((worker, json.loads(line)))
        self._events.put((worker, None))

    def _last_words(self, worker: _Worker) -> str:
        code = worker.process.wait()
        return (
            f"Its process ended with code {code}; {self._log(worker.number)} says more. The same "
            "command tries again."
        )
