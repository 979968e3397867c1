"""Ways to spoil a good app or model, whatever its task."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from limner.plugin import (
    Case,
    Described,
    Evaluation,
    Image,
    LoadRequest,
    Prediction,
    PredictRequest,
    Progress,
    Trained,
    TrainRequest,
    UnsuitableInput,
    Watch,
)

Change = Callable[[Image, Prediction], Prediction]


def fails(check: Callable[..., None], **given: Any) -> None:
    """Run a check and see it fail; also where it fails because nothing was raised."""
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(**given)


class Spoiled:
    """A model whose predictions are changed on their way out."""

    def __init__(self, model: Any, change: Change) -> None:
        self._model = model
        self._change = change

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        return self._change(image, self._model.predict(image, request))

    def describe(self, image: Image, request: PredictRequest) -> Described:
        described: Described = self._model.describe(image, request)
        return dataclasses.replace(described, prediction=self._change(image, described.prediction))


class Misjudging:
    """A model whose evaluation is changed on its way out."""

    def __init__(self, model: Any, change: Callable[[Evaluation], Evaluation]) -> None:
        self._model = model
        self._change = change

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        prediction: Prediction = self._model.predict(image, request)
        return prediction

    def evaluate(self, cases: Sequence[Case], watch: Watch) -> Evaluation:
        return self._change(self._model.evaluate(cases, watch))


class Lenient:
    """An app that trains whatever it is given, or refuses without saying which case is bad."""

    def __init__(self, app: Any, *, anonymous: bool) -> None:
        self._app = app
        self._anonymous = anonymous

    def load(self, request: LoadRequest) -> Any:
        return self._app.load(request)

    def train(self, request: TrainRequest, watch: Watch) -> Trained:
        try:
            trained: Trained = self._app.train(request, watch)
        except UnsuitableInput as error:
            if self._anonymous:
                raise UnsuitableInput("One of the cases cannot be learnt from.") from error
            return Trained(
                weights=request.workspace, plan={}, metrics={}, seed=0, steps=0, libraries={}
            )
        return trained


class Loading:
    """An app whose loaded models are changed; it trains as it did."""

    def __init__(self, app: Any, change: Callable[[Any], Any]) -> None:
        self._app = app
        self._change = change

    def load(self, request: LoadRequest) -> Any:
        return self._change(self._app.load(request))

    def train(self, request: TrainRequest, watch: Watch) -> Trained:
        trained: Trained = self._app.train(request, watch)
        return trained


class Unseeded:
    """An app that trains with another seed every time."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._trainings = 0

    def load(self, request: LoadRequest) -> Any:
        return self._app.load(request)

    def train(self, request: TrainRequest, watch: Watch) -> Trained:
        self._trainings += 1
        request = dataclasses.replace(request, seed=self._trainings)
        trained: Trained = self._app.train(request, watch)
        return trained


class Deaf:
    """A watch that keeps nothing and never says stop."""

    def progress(self, progress: Progress) -> None:
        """Keeps nothing."""

    def should_stop(self) -> bool:
        return False
