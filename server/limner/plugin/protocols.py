"""The abilities an app may have, one small protocol each.

An app is what its manifest's `factory` makes when called without arguments. Making it must be
cheap: nothing heavy is loaded before `load` or `train`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from limner.plugin.images import FloatArray, Image, Prompt
from limner.plugin.prediction import (
    Described,
    Evaluation,
    LoadRequest,
    Prediction,
    PredictRequest,
)
from limner.plugin.training import Case, Trained, TrainRequest, Watch


@runtime_checkable
class Predicts(Protocol):
    """A loaded model that answers for one image. Every model can."""

    def predict(self, image: Image, request: PredictRequest) -> Prediction:
        """Answer for one image, in its own geometry.

        Raises:
            UnsuitableInput: The image has dimensions or channels that the model cannot take.
        """
        ...


@runtime_checkable
class Describes(Protocol):
    """A loaded model that tells strategies how sure it is."""

    def describe(self, image: Image, request: PredictRequest) -> Described:
        """Predict and describe one image in one pass.

        Raises:
            UnsuitableInput: As in `Predicts.predict`.
        """
        ...


@runtime_checkable
class DescribesTogether(Describes, Protocol):
    """A model that describes several images in less time than one after the other.

    Nothing in a manifest says so: a model with this method is asked for small images.
    """

    def describe_together(
        self, images: Sequence[Image], request: PredictRequest
    ) -> Sequence[Described]:
        """Say of each image, in order, what `describe` says of it alone.

        Images may differ in shape. When this fails, they are described one by one.

        Raises:
            UnsuitableInput: As in `Predicts.predict`, for any of the images.
        """
        ...


@runtime_checkable
class Evaluates(Protocol):
    """A loaded model that measures itself against labels."""

    def evaluate(self, cases: Sequence[Case], watch: Watch) -> Evaluation:
        """Score every case.

        Raises:
            Stopped: The watch said so.
            UnsuitableInput: A case's image or label is not one the model can take.
        """
        ...


@runtime_checkable
class Explains(Protocol):
    """A loaded model that shows what in an image speaks for a class."""

    def explain(self, image: Image, value: int) -> FloatArray:
        """Return a map (*spatial) in [0, 1] of an image's own shape; larger speaks more for it.

        Args:
            image: The image.
            value: Of the class, as the schema has it.

        Raises:
            UnsuitableInput: As in `Predicts.predict`.
        """
        ...


@runtime_checkable
class Prompted(Protocol):
    """A loaded model that an annotator tells what is where: by clicks, boxes and scribbles."""

    def prompt(
        self, image: Image, prompts: Sequence[Prompt], request: PredictRequest
    ) -> Prediction:
        """Answer for one image with what the prompts say, in the image's own geometry.

        Every call has all that was said so far: nothing is remembered from one to the next.

        Args:
            image: The image.
            prompts: One for each class that something was said about, by `Prompt.value`, of the
                kinds that the manifest names. Empty asks for a plain prediction.
            request: As in `Predicts.predict`.

        Raises:
            UnsuitableInput: As in `Predicts.predict`, or a prompt does not lie on the image, or is
                about a class that the schema lacks.
        """
        ...


@runtime_checkable
class App(Protocol):
    """A label task and its models."""

    def load(self, request: LoadRequest) -> Predicts:
        """Make a trained model ready to work.

        Raises:
            UnsuitableInput: The weights are not this app's, or do not fit the schema.
        """
        ...


@runtime_checkable
class Trains(Protocol):
    """An app that makes model versions."""

    def train(self, request: TrainRequest, watch: Watch) -> Trained:
        """Train a version on all labels given.

        Raises:
            Stopped: The watch said so.
            UnsuitableInput: A case cannot be learnt from; the message names it.
        """
        ...
