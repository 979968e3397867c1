"""Noticing what happens in a folder: told by the system (inotify and its like), or by looking."""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from limner.images import image_suffix
from limner.stores.changes import MOST_PATHS, Changes, Ready, Signature

logger = logging.getLogger(__name__)

OnChange = Callable[[set[str] | None], None]
"""Told the paths of changed images inside the root, or None when all has to be looked at."""

_QUIET_S = 0.2
_IDLE_S = 0.5
"""How often the root itself is looked at: it may be unmounted, removed or replaced."""
_POLL_S = 2.0
_POLL_SHARE = 0.05
"""Most of the time that looking may take when the system tells nothing."""

_ADVICE: Mapping[int | None, str] = {
    errno.EMFILE: " Raise fs.inotify.max_user_instances: each project's folder takes one.",
    errno.ENOSPC: " Raise fs.inotify.max_user_watches: each folder within takes one.",
}
"""What to do about the two limits of inotify(7), by the number of the error."""

_UNTOLD = ("opened", "closed_no_write")
"""Reading changes nothing; heeding it would have every reader wake the watcher."""


class Watcher:
    """Watches one folder on a thread of its own until it is stopped."""

    def __init__(
        self,
        root: Path,
        on_change: OnChange,
        snapshot: Callable[[], Mapping[str, Signature]],
        *,
        poll_s: float | None = None,
    ) -> None:
        """Start; what happens after this returns is noticed.

        Args:
            root: The folder; it need not be there yet.
            on_change: Called from the watcher's thread. What it raises is logged.
            snapshot: Returns the signature of every image, by path inside the root.
            poll_s: Look every so many seconds and do not ask the system at all.
        """
        self._root = os.path.abspath(root)
        self._on_change = on_change
        self._snapshot = snapshot
        self._poll_s = poll_s
        self._changes = Changes(self._signature)
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._is_lost = False
        self._observer: Any = None
        self._identity = _identity(self._root)
        polls = poll_s is not None or not self._attach()
        self._known: Mapping[str, Signature] = snapshot() if polls else {}
        self._thread = threading.Thread(
            target=self._poll if polls else self._listen, name="limner-watch", daemon=True
        )
        self._thread.start()

    @property
    def is_polling(self) -> bool:
        """Whether changes are found by looking instead of being told."""
        return self._poll_s is not None

    def stop(self) -> None:
        """Stop; nothing is told after this returns. A second call does nothing."""
        self._stopped.set()
        self._wake.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._detach()

    def _listen(self) -> None:
        """Tell what the system told, once it keeps still."""
        while not self._stopped.is_set():
            if self._changes.is_waiting:
                self._stopped.wait(_QUIET_S)
            else:
                self._wake.wait(_IDLE_S)
                self._wake.clear()
            if self._stopped.is_set():
                return
            if not self._check_root():
                self._poll()
                return
            self._tell(self._changes.ready(time.monotonic()))

    def _poll(self) -> None:
        """Compare looks; a file is told of once two looks agree."""
        told = dict(self._known)
        before = self._known
        pause = self._poll_s or _POLL_S
        while not self._stopped.wait(pause):
            started = time.monotonic()
            found = self._snapshot()
            took = time.monotonic() - started
            if self._poll_s is None or took > self._poll_s:
                pause = max(self._poll_s or _POLL_S, took / _POLL_SHARE)
            changed = {path for path in told if path not in found and path not in before}
            changed |= {
                path
                for path, signature in found.items()
                if before.get(path) == signature and told.get(path) != signature
            }
            for path in changed:
                if path in found:
                    told[path] = found[path]
                else:
                    del told[path]
            before = found
            is_much = len(changed) > MOST_PATHS
            self._tell(Ready(everything=is_much, paths=frozenset(() if is_much else changed)))

    def _tell(self, ready: Ready) -> None:
        if self._stopped.is_set() or not (ready.everything or ready.paths):
            return
        try:
            self._on_change(None if ready.everything else set(ready.paths))
        except Exception:  # the listener's failure must not end the watching
            logger.exception("what listens to a watched folder failed")

    def _check_root(self) -> bool:
        """Notice a root that is gone or another; False when the system can tell no more."""
        identity = _identity(self._root)
        if identity == self._identity and not self._is_lost:
            return True
        self._identity = identity
        self._is_lost = False
        self._detach()
        is_attached = self._attach()
        self._changes.note_everything(time.monotonic())
        if not is_attached:
            self._known = self._snapshot()
            self._tell(Ready(everything=True))
        return is_attached

    def _attach(self) -> bool:
        """Ask the system to tell; True also when there is no root yet to ask about."""
        if self._identity is None:
            return True
        try:
            from watchdog.observers import Observer

            observer = Observer()
            handler: Any = _Handler(self._heed)
            observer.schedule(handler, os.path.realpath(self._root), recursive=True)
            observer.start()
        except Exception as error:  # noqa: BLE001 - each system's observer fails in its own way
            if _identity(self._root) is None:
                self._identity = None
                return True
            logger.warning(
                "the system cannot watch a folder (%s); looking every %g s instead.%s",
                error,
                _POLL_S,
                _ADVICE.get(getattr(error, "errno", None), ""),
            )
            self._poll_s = self._poll_s or _POLL_S
            return False
        self._observer = observer
        return True

    def _detach(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()

    def _heed(self, event: Any) -> None:
        """Note one event of the system; runs on its thread."""
        if event.event_type in _UNTOLD:
            return
        root = os.path.realpath(self._root)
        for raw in (event.src_path, event.dest_path):
            if raw:
                self._note(os.path.relpath(os.fsdecode(raw), root), event)
        self._wake.set()

    def _note(self, path: str, event: Any) -> None:
        path = path.replace(os.sep, "/")
        if path == ".":
            # Its own removal or renaming; that something in it changed is told beside.
            self._is_lost = self._is_lost or event.event_type in ("deleted", "moved")
        elif any(part.startswith(".") for part in path.split("/")):
            return
        elif event.is_directory:
            if event.event_type in ("created", "deleted", "moved"):
                self._changes.note_everything(time.monotonic())
        elif image_suffix(path.rsplit("/", 1)[-1]):
            self._changes.note(path)
        elif path.lower().endswith((".raw", ".zraw")):
            header = path[: path.rindex(".")] + ".mhd"
            if self._signature(header) is not None:
                self._changes.note(header)

    def _signature(self, path: str) -> Signature:
        try:
            status = os.stat(os.path.join(self._root, path))
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns


class _Handler:
    """What watchdog calls: anything with `dispatch`."""

    def __init__(self, heed: Callable[[Any], None]) -> None:
        self.dispatch = heed


def _identity(root: str) -> tuple[int, int] | None:
    try:
        status = os.stat(root)
    except OSError:
        return None
    return status.st_dev, status.st_ino
