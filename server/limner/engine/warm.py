"""The apps and models that a worker holds loaded. Used in workers only."""

from __future__ import annotations

import gc
import json
import logging
import time
from collections import OrderedDict

from limner.engine.failures import foreign_code
from limner.engine.messages import AppSource, ModelSource
from limner.errors import PluginFailed, WorkerOutOfMemory
from limner.plugin import App, LoadRequest, Predicts
from limner.registry import PluginSource, make_app

log = logging.getLogger(__name__)


def app_words(app: AppSource) -> str:
    """Name an app at the beginning of a sentence."""
    return f"App {app.name!r}"


class WarmModels:
    """Keeps the models used last, so that the next request for one of them need not load it."""

    def __init__(self, *, device: str, threads: int, most: int) -> None:
        """Hold nothing yet.

        Args:
            device: Where models run: `cpu`, `cuda:N` or `mps`.
            threads: How many processor threads a model may use.
            most: How many models are kept.
        """
        self.device = device
        self.threads = threads
        self._most = most
        self._apps: dict[PluginSource, App] = {}
        self._models: OrderedDict[tuple[object, ...], Predicts] = OrderedDict()

    def app(self, app: AppSource) -> App:
        """Return an app, made at its first use.

        Raises:
            PluginFailed: It cannot be made.
        """
        if app.source not in self._apps:
            self._apps[app.source] = make_app(app.source)
        return self._apps[app.source]

    def model(self, source: ModelSource) -> Predicts:
        """Return a model, loaded unless it is warm.

        Raises:
            PluginFailed: It cannot be loaded.
            PluginError: The app refuses to load it.
            WorkerOutOfMemory: It does not fit, not even alone.
        """
        key = _identity(source)
        if key not in self._models:
            try:
                self._models[key] = self._load(source)
            except WorkerOutOfMemory:
                if not self._models:
                    raise
                log.warning("Short of memory: %s models are let go.", len(self._models))
                self._models.clear()
                gc.collect()
                self._models[key] = self._load(source)
        self._models.move_to_end(key)
        while len(self._models) > self._most:
            self._models.popitem(last=False)
            gc.collect()  # models are full of cycles, and what they hold on a GPU is dear
        return self._models[key]

    def _load(self, source: ModelSource) -> Predicts:
        app = self.app(source.app)
        began = time.monotonic()
        with foreign_code(app_words(source.app), "load"):
            model = app.load(
                LoadRequest(
                    weights=source.weights,
                    schema=source.schema,
                    device=self.device,
                    threads=self.threads,
                    options=source.options,
                )
            )
        if not isinstance(model, Predicts):
            raise PluginFailed(
                f"{app_words(source.app)} loaded a {type(model).__name__}, which has no predict."
            )
        log.info("Loaded model %s in %.2f s.", source.key, time.monotonic() - began)
        return model


def _identity(source: ModelSource) -> tuple[object, ...]:
    options = json.dumps(dict(source.options), sort_keys=True)
    return source.app.source, source.key, source.weights, source.schema, options
