"""The engine of arms: it stays up from one arm to the next, and says where its time went."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from limner.engine import CaseSource, ModelRef, PartWanted, TrainTask
from limner.engine.local import LocalEngine
from limner.images import ImageSource
from limner.plugin import Described, Evaluation, FloatArray, Pick, Pool, Trained, Watch
from limner.registry import Registry
from limner.settings import EngineSettings


class ArmEngine(LocalEngine):
    """The server's own engine. A service that stops leaves it running for the next one."""

    def __init__(self, settings: EngineSettings, registry: Registry, log_folder: Path) -> None:
        """Start nothing yet; see `LocalEngine`."""
        super().__init__(settings, registry, log_folder)
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._is_up = False

    def start(self) -> None:
        """Start the workers, where they do not run."""
        if not self._is_up:
            self._is_up = True
            super().start()

    def stop(self) -> None:
        """Leave the workers running; `close` ends them."""

    def close(self) -> None:
        """End the workers."""
        super().stop()

    def spent(self) -> Mapping[str, float]:
        """Return the seconds by kind of work since the start."""
        return dict(self._seconds)

    def train(self, task: TrainTask, watch: Watch) -> Trained:
        """Train; see `Engine.train`."""
        with self._timed("train"):
            return super().train(task, watch)

    def evaluate(self, model: ModelRef, cases: Sequence[CaseSource], watch: Watch) -> Evaluation:
        """Measure a model on labelled cases; see `Engine.evaluate`."""
        with self._timed("evaluate"):
            return super().evaluate(model, cases, watch)

    def describe(
        self,
        model: ModelRef,
        images: Sequence[tuple[int, ImageSource]],
        watch: Watch,
        each: Callable[[int, Described | Exception], None],
        parts: Mapping[int, PartWanted] = MappingProxyType({}),
    ) -> None:
        """Describe images one by one; see `Engine.describe`."""
        with self._timed("describe"):
            super().describe(model, images, watch, each, parts)

    def describe_pixels(
        self,
        images: Sequence[tuple[int, ImageSource]],
        watch: Watch,
        each: Callable[[int, FloatArray | Exception], None],
    ) -> None:
        """Describe images without a model; see `Engine.describe_pixels`."""
        with self._timed("describe"):
            super().describe_pixels(images, watch, each)

    def pick(self, strategy: str, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Let a strategy order a pool; see `Engine.pick`."""
        with self._timed("select"):
            return super().pick(strategy, pool, count, seed)

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self._seconds[what] += time.monotonic() - started
