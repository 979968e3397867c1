"""What a worker does for one image: predict, with prompts or without, explain or describe.

Without a model it describes the pixels alone.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from limner.engine.ahead import ReadAhead
from limner.engine.answers import checked_described, checked_map, checked_prediction
from limner.engine.failures import contract, foreign_code, told
from limner.engine.interface import PartWanted
from limner.engine.messages import (
    Describe,
    DescribePixels,
    DescribeTogether,
    Explain,
    Failure,
    ModelSource,
    Predict,
    PromptImage,
)
from limner.engine.numbers import Broken
from limner.engine.warm import WarmModels, app_words
from limner.errors import LimnerError, PluginFailed
from limner.images import ImageSource
from limner.images.descriptors import descriptors
from limner.plugin import (
    Described,
    Describes,
    DescribesTogether,
    Explains,
    FloatArray,
    Image,
    Prediction,
    PredictRequest,
    Prompted,
)

log = logging.getLogger(__name__)


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
    model = _describing(command.model, models)
    return _described(command.model, model, ahead.take(command.image), command.part)


def describe_together(
    command: DescribeTogether, models: WarmModels
) -> tuple[Described | Failure, ...]:
    """Predict and describe several images in one pass; one that fails takes no other with it.

    Raises:
        LimnerError: The model cannot be loaded, or cannot describe.
    """
    source = command.model
    model = _describing(source, models)
    read = [_read(each) for each in command.images]
    images = [each for each in read if isinstance(each, Image)]
    try:
        answers = iter(_all_described(source, model, images))
    except LimnerError as error:
        log.warning("%s images are described one by one: %s", len(images), error)
        answers = iter([_described_or_failure(source, model, each) for each in images])
    return tuple(next(answers) if isinstance(each, Image) else each for each in read)


def describe_pixels(command: DescribePixels, ahead: ReadAhead) -> FloatArray:
    """Describe one image by its pixels, without a model.

    Raises:
        ImageError: The image cannot be read.
    """
    return descriptors(ahead.take(command.image).array)


def _describing(source: ModelSource, models: WarmModels) -> Describes:
    model = models.model(source)
    if not isinstance(model, Describes):
        raise PluginFailed(f"{app_words(source.app)} has a model that cannot describe.")
    return model


def _read(source: ImageSource) -> Image | Failure:
    try:
        return source.read()
    except LimnerError as error:
        return told(error)


def _described(
    source: ModelSource, model: Describes, image: Image, part: PartWanted | None = None
) -> Described:
    request = PredictRequest()
    if part is not None:
        request = PredictRequest(region=part.size, labelled=part.labelled)
    with foreign_code(app_words(source.app), "describe"):
        answer = model.describe(image, request)
    with contract(app_words(source.app), "describe"):
        return checked_described(answer, image, source.schema, source.app.task, request)


def _described_or_failure(
    source: ModelSource, model: Describes, image: Image
) -> Described | Failure:
    try:
        return _described(source, model, image)
    except LimnerError as error:
        return told(error)


def _all_described(
    source: ModelSource, model: Describes, images: Sequence[Image]
) -> Sequence[Described | Failure]:
    """Describe images in one pass, or one by one where the model has none for several."""
    if not isinstance(model, DescribesTogether) or len(images) < 2:
        return [_described_or_failure(source, model, each) for each in images]
    request, doing = PredictRequest(), "describe_together"
    with foreign_code(app_words(source.app), doing):
        answers = model.describe_together(images, request)
    with contract(app_words(source.app), doing):
        if len(answers) != len(images):
            raise Broken(f"{len(images)} images have {len(answers)} answers")
        return [
            checked_described(answer, image, source.schema, source.app.task, request)
            for answer, image in zip(answers, images, strict=True)
        ]
