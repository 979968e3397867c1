"""Predictions: the answer drawn first."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from flask import Response, request

from limner.errors import NotFound
from limner.http.answers import answer
from limner.http.caching import file_answer
from limner.http.context import ACTOR_HEADER, service
from limner.http.negotiation import COCO, JSON, answer_types, asked_type, mask_types
from limner.http.rest.shapes import prediction as shapes
from limner.http.rest.shapes.paths import SamplePath
from limner.http.routes import Media, Routes
from limner.images import IMAGE_SUFFIXES, MASK_TYPES, media_type
from limner.loop.predict import Predicted
from limner.plugin import LabelSchema, Task

routes = Routes("Predictions", "What the serving model says of a sample.")

VERSION_HEADER = "Limner-Model-Version"

_ANSWERS: Media = {
    **dict.fromkeys(
        MASK_TYPES,
        "The mask, or the map of instances or of what speaks for a class, with the image's own "
        "geometry; `Limner-Model-Version` says who drew it.",
    ),
    JSON: shapes.PredictionAnswer,
    COCO: "Instances as a COCO data set of one image.",
}
_ALSO = {
    406: "The answer cannot be sent in a shape that `Accept` names.",
    409: "No model version serves yet, or its app cannot explain.",
    503: "The worker ended or has too much to do; ask again.",
    504: "The worker took too long.",
}


@routes.post(
    "/projects/<slug:project>/samples/<id:sample>/predict",
    answers={200: _ANSWERS},
    also=_ALSO,
    keyed=False,
)
def predict(path: SamplePath, query: shapes.PredictQuery) -> Response:
    """Ask the serving model: what it said ahead where that is current, else what it says now.

    Where `Accept` asks for nothing else: gzipped NIfTI for the mask of a volume and PNG for that of
    a picture, JSON for instances and classes.
    """
    return _predicted(path, query)


@routes.get(
    "/projects/<slug:project>/samples/<id:sample>/predict",
    answers=_ANSWERS,
    also=_ALSO | {206: "The part that was asked for.", 304: "Nothing new."},
)
def get_prediction(path: SamplePath, query: shapes.PredictQuery) -> Response:
    """Give the same answer as a post does, for clients that only follow links."""
    return _predicted(path, query)


def _predicted(path: SamplePath, query: shapes.PredictQuery) -> Response:
    sample = service().samples.get(path.project, path.sample)
    project = service().projects.get(path.project)
    task = service().projects.task(project)
    kind = IMAGE_SUFFIXES.get(sample.format, "volume")
    client = (request.headers.get(ACTOR_HEADER) or request.remote_addr or "")[:200]
    offered = answer_types(task, kind)
    explained = task is Task.CLASSIFICATION or query.explain is not None
    if explained:
        offered = mask_types(kind) if query.explain is not None else offered | mask_types(kind)
    wanted = asked_type(offered)
    if explained and wanted != JSON:
        shown = service().predictions.explain(
            path.project, path.sample, name=query.explain, suffix=offered[wanted], client=client
        )
        return _file(shown, f"explanation-{sample.id}", media_type(shown.suffix))
    predicted = service().predictions.predict(
        path.project, path.sample, suffix=offered[wanted], client=client
    )
    if wanted == JSON:
        schema = service().models.schema(project, predicted.version)
        return _json(predicted, task, schema)
    sent = COCO if wanted == COCO else media_type(predicted.suffix)
    return _file(predicted, f"prediction-{sample.id}", sent)


def _file(predicted: Predicted, name: str, sent_as: str) -> Response:
    return file_answer(
        predicted.data,
        media_type=sent_as,
        name=f"{name}-v{predicted.version.number}{predicted.suffix}",
        etag=_digest(predicted.data),
        headers={VERSION_HEADER: str(predicted.version.number)},
    )


def _json(predicted: Predicted, task: Task, schema: LabelSchema) -> Response:
    data = predicted.data
    document = json.loads(data if isinstance(data, bytes) else _content(data))
    number = predicted.version.number
    shown = _instances(document, schema) if task is Task.INSTANCES else document
    shape = shapes.PredictionAnswer.model_validate(
        {"task": task.value, "model_version": number, **shown}
    )
    return answer(shape, headers={VERSION_HEADER: str(number), "Vary": "Accept, Authorization"})


def _instances(coco: dict[str, Any], schema: LabelSchema) -> dict[str, Any]:
    """Turn a COCO document that the server wrote into the shape of `InstancesAnswer`."""
    names = {each["id"]: each["name"] for each in coco["categories"]}
    values = {each.name: each.value for each in schema.classes}
    (image,) = coco["images"]
    found = []
    for each in coco["annotations"]:
        name, (x, y, width, height) = names[each["category_id"]], each["bbox"]
        found.append(
            {
                "name": name,
                "value": values[name],
                "score": each.get("score", 1.0),
                "box": [y, x, y + height, x + width],
                "mask": each.get("segmentation") or None,
            }
        )
    found.sort(key=lambda each: -float(each["score"]))
    return {"shape": [image["height"], image["width"]], "instances": found}


def _digest(data: bytes | Path) -> str:
    """SHA-256 of an answer: the same in every process, whether it was stored or made now."""
    return hashlib.sha256(data if isinstance(data, bytes) else _content(data)).hexdigest()


def _content(stored: Path) -> bytes:
    try:
        return stored.read_bytes()
    except FileNotFoundError:
        raise NotFound("The stored prediction was replaced this moment; ask again.") from None
