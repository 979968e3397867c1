"""An engine that runs the real plugins in the caller's thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from limner.engine import CaseSource, ModelRef, PartWanted, Priority, TrainTask, WorkerStatus
from limner.images import ImageSource, read_mask
from limner.images.descriptors import descriptors
from limner.plugin import (
    Case,
    Described,
    Evaluation,
    FloatArray,
    LimnerError,
    LoadRequest,
    Pick,
    Pool,
    Prediction,
    PredictRequest,
    Prompt,
    Stopped,
    Trained,
    TrainRequest,
    Watch,
)
from limner.registry import (
    APPS,
    STRATEGIES,
    Registry,
    make_app,
    make_strategy,
    merged_options,
)
from limner.settings import Limits

DEADLINE_S = 100.0


class InProcessEngine:
    """Runs the real plugins in the caller's thread. Tests may hold it, fail it or set scores."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.calls: list[tuple[str, Any]] = []
        self.scores: list[float] = []
        """Each evaluation takes the next one for all its cases, while there are any."""
        self.one_sided: set[tuple[str, ...]] = set()
        """Cases, by their ids, that cannot tell better from worse."""
        self.errors: dict[str, Exception] = {}
        """What a method raises, by its name; `describe/3` for the sample 3 alone."""
        self.held: dict[str, threading.Event] = {}
        self.reached: dict[str, threading.Event] = {}
        self.models: dict[str, Any] = {}

    def hold(self, what: str) -> threading.Event:
        """Make the next call of a method wait; return the event that is set once it does."""
        self.held[what] = threading.Event()
        self.reached[what] = threading.Event()
        return self.reached[what]

    def release(self, what: str) -> None:
        self.held.pop(what).set()

    def counted(self, what: str) -> int:
        return sum(name == what for name, _ in self.calls)

    def start(self) -> None: ...

    stop = retire_unused = start

    def status(self) -> Sequence[WorkerStatus]:
        return ()

    def predict(
        self,
        model: ModelRef,
        image: ImageSource,
        *,
        probabilities: bool = False,
        seed: int = 0,
        priority: Priority = Priority.INTERACTIVE,
        client: str = "",
    ) -> Prediction:
        self._called("predict", (image.name, priority, client))
        answer: Prediction = self._load(model).predict(
            image.read(), PredictRequest(probabilities=probabilities, seed=seed)
        )
        return answer

    def explain(
        self, model: ModelRef, image: ImageSource, value: int, *, client: str = ""
    ) -> FloatArray:
        self._called("explain", (image.name, value, client))
        shown: FloatArray = self._load(model).explain(image.read(), value)
        return shown

    def prompt(
        self, model: ModelRef, image: ImageSource, prompts: Sequence[Prompt], *, client: str = ""
    ) -> Prediction:
        self._called("prompt", (image.name, tuple(prompts), client))
        answer: Prediction = self._load(model).prompt(
            image.read(), tuple(prompts), PredictRequest()
        )
        return answer

    def warm(self, model: ModelRef) -> None:
        self._called("warm", model.key)
        self._load(model)

    def train(self, task: TrainTask, watch: Watch) -> Trained:
        self._called("train", task)
        self._wait("train", watch)
        app: Any = make_app(self.registry.source(APPS, task.app))
        trained: Trained = app.train(
            TrainRequest(
                schema=task.schema,
                train=[_case(each) for each in task.train],
                validation=[_case(each) for each in task.validation],
                parent=task.parent,
                seed=task.seed,
                workspace=task.workspace,
                cache=task.cache,
                effort=task.effort,
                options=task.options,
            ),
            watch,
        )
        return trained

    def evaluate(self, model: ModelRef, cases: Sequence[CaseSource], watch: Watch) -> Evaluation:
        self._called("evaluate", (model.key, [case.id for case in cases]))
        self._wait("evaluate", watch)
        if self.scores:
            score = self.scores.pop(0)
            return Evaluation(
                measure="dice",
                case_scores={case.id: score for case in cases},
                class_scores={"blob": score},
            )
        evaluation: Evaluation = self._load(model).evaluate([_case(c) for c in cases], watch)
        ids = tuple(case.id for case in cases)
        return replace(evaluation, is_one_sided=ids in self.one_sided)

    def describe(
        self,
        model: ModelRef,
        images: Sequence[tuple[int, ImageSource]],
        watch: Watch,
        each: Callable[[int, Described | Exception], None],
        parts: Mapping[int, PartWanted] = MappingProxyType({}),
    ) -> None:
        loaded = self._load(model)
        for number, image in images:
            self._wait("describe", watch)
            try:
                self._called("describe", number)
                self._called(f"describe/{number}", number)
                part = parts.get(number)
                request = PredictRequest(
                    region=None if part is None else part.size,
                    labelled=() if part is None else part.labelled,
                )
                each(number, loaded.describe(image.read(), request))
            except LimnerError as error:
                each(number, error)

    def describe_pixels(
        self,
        images: Sequence[tuple[int, ImageSource]],
        watch: Watch,
        each: Callable[[int, FloatArray | Exception], None],
    ) -> None:
        for number, image in images:
            self._wait("describe_pixels", watch)
            try:
                self._called("describe_pixels", number)
                self._called(f"describe_pixels/{number}", number)
                each(number, descriptors(image.read().array))
            except LimnerError as error:
                each(number, error)

    def pick(self, strategy: str, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        options = merged_options(self.registry.strategy(strategy), pool.options)
        pool = replace(pool, options=options)
        self._called("pick", (strategy, pool, seed))
        chooser: Any = make_strategy(self.registry.source(STRATEGIES, strategy))
        picks: Sequence[Pick] = chooser.pick(pool, count, seed)
        return picks

    def _called(self, what: str, detail: object) -> None:
        if what in self.errors:
            raise self.errors[what]
        self.calls.append((what, detail))

    def _wait(self, what: str, watch: Watch) -> None:
        held = self.held.get(what)
        end = time.monotonic() + DEADLINE_S
        while held is not None and not held.wait(0.005):
            self.reached[what].set()
            assert time.monotonic() < end, f"{what} was held for too long"
            if watch.should_stop():
                break
        if watch.should_stop():
            raise Stopped("Stopped when told.")

    def _load(self, model: ModelRef) -> Any:
        if model.key not in self.models:
            app: Any = make_app(self.registry.source(APPS, model.app))
            self.models[model.key] = app.load(
                LoadRequest(weights=model.weights, schema=model.schema, options=model.options)
            )
        return self.models[model.key]


def _case(source: CaseSource) -> Case:
    return Case(
        id=source.id,
        fingerprint=source.fingerprint,
        load_image=source.image.read,
        load_label=lambda: read_mask(source.label, Limits(), suffix=source.label_format),
        is_new=source.is_new,
        regions=source.regions,
    )
