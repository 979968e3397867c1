"""What a worker does for one image: predict, with prompts or without, explain or describe.

Without a model it describes the pixels alone.
"""

from __future__ import annotations

from limner.engine.ahead import ReadAhead
from limner.engine.answers import checked_described, checked_map, checked_prediction
from limner.engine.failures import contract, foreign_code
from limner.engine.messages import Describe, DescribePixels, Explain, Predict, PromptImage
from limner.engine.warm import WarmModels, app_words
from limner.errors import PluginFailed
from limner.images.descriptors import descriptors
from limner.plugin import (
    Described,
    Describes,
    Explains,
    FloatArray,
    Prediction,
    PredictRequest,
    Prompted,
)


def predict(command: Predict, models: WarmModels, ahead: ReadAhead) -> Prediction:
    """Predict one image.

    Raises:
        LimnerError: The image cannot be read, or the app failed or broke the contract.
    """
    source = command.model
    model = models.model(source)
    image = ahead.take(command.image)
    request = PredictRequest(probabilities=command.probabilities, seed=command.seed)
    with foreign_code(app_words(source.app), "predict"):
        answer = model.predict(image, request)
    with contract(app_words(source.app), "predict"):
        return checked_prediction(answer, image, source.schema, source.app.task, request)


def explain(command: Explain, models: WarmModels, ahead: ReadAhead) -> FloatArray:
    """Map what in an image speaks for a class.

    Raises:
        LimnerError: The image cannot be read, or the app failed or broke the contract.
    """
    source = command.model
    model = models.model(source)
    if not isinstance(model, Explains):
        raise PluginFailed(f"{app_words(source.app)} has a model that cannot explain.")
    image = ahead.take(command.image)
    with foreign_code(app_words(source.app), "explain"):
        answer = model.explain(image, command.value)
    with contract(app_words(source.app), "explain"):
        return checked_map(answer, image)


def prompt(command: PromptImage, models: WarmModels, ahead: ReadAhead) -> Prediction:
    """Predict one image with what an annotator says of it.

    Raises:
        LimnerError: The image cannot be read, or the app failed or broke the contract.
    """
    source = command.model
    model = models.model(source)
    if not isinstance(model, Prompted):
        raise PluginFailed(f"{app_words(source.app)} has a model that takes no prompts.")
    image = ahead.take(command.image)
    request = PredictRequest()
    with foreign_code(app_words(source.app), "prompt"):
        answer = model.prompt(image, command.prompts, request)
    with contract(app_words(source.app), "prompt"):
        return checked_prediction(answer, image, source.schema, source.app.task, request)


def describe(command: Describe, models: WarmModels, ahead: ReadAhead) -> Described:
    """Predict and describe one image in one pass.

    Raises:
        LimnerError: The image cannot be read, or the app failed or broke the contract.
    """
    source = command.model
    model = models.model(source)
    if not isinstance(model, Describes):
        raise PluginFailed(f"{app_words(source.app)} has a model that cannot describe.")
    image = ahead.take(command.image)
    request = PredictRequest()
    if command.part is not None:
        request = PredictRequest(region=command.part.size, labelled=command.part.labelled)
    with foreign_code(app_words(source.app), "describe"):
        answer = model.describe(image, request)
    with contract(app_words(source.app), "describe"):
        return checked_described(answer, image, source.schema, source.app.task, request)


def describe_pixels(command: DescribePixels, ahead: ReadAhead) -> FloatArray:
    """Describe one image by its pixels, without a model.

    Raises:
        ImageError: The image cannot be read.
    """
    return descriptors(ahead.take(command.image).array)
