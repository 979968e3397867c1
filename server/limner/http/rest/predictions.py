"""Predictions: the outline drawn first."""

from __future__ import annotations

import hashlib
from pathlib import Path

from flask import Response, request

from limner.errors import NotFound
from limner.http.caching import file_answer
from limner.http.context import ACTOR_HEADER, service
from limner.http.negotiation import mask_suffix
from limner.http.rest.shapes.paths import SamplePath
from limner.http.routes import Routes
from limner.images import IMAGE_SUFFIXES, MASK_TYPES, media_type

routes = Routes("Predictions", "Masks that the serving model draws.")

VERSION_HEADER = "Limner-Model-Version"

_ANSWERS = dict.fromkeys(
    MASK_TYPES, "The mask, with the image's own geometry; `Limner-Model-Version` says who drew it."
)
_ALSO = {
    406: "The mask cannot be sent in a format that `Accept` names.",
    409: "No model version serves yet.",
    503: "The worker ended or has too much to do; ask again.",
    504: "The worker took too long.",
}


@routes.post(
    "/projects/<slug:project>/samples/<id:sample>/predict",
    answers={200: _ANSWERS},
    also=_ALSO,
    keyed=False,
)
def predict(path: SamplePath) -> Response:
    """Draw a mask with the serving model: the one made ahead where it is current, else now.

    Gzipped NIfTI for a volume and PNG for a picture, where `Accept` asks for nothing else.
    """
    return _predicted(path)


@routes.get(
    "/projects/<slug:project>/samples/<id:sample>/predict",
    answers=_ANSWERS,
    also=_ALSO | {206: "The part that was asked for.", 304: "Nothing new."},
)
def get_prediction(path: SamplePath) -> Response:
    """Give the same mask as a post does, for clients that only follow links."""
    return _predicted(path)


def _predicted(path: SamplePath) -> Response:
    sample = service().samples.get(path.project, path.sample)
    suffix = mask_suffix(IMAGE_SUFFIXES.get(sample.format, "volume"))
    client = request.headers.get(ACTOR_HEADER) or request.remote_addr or ""
    predicted = service().predictions.predict(
        path.project, path.sample, suffix=suffix, client=client[:200]
    )
    data = predicted.data
    return file_answer(
        data,
        media_type=media_type(predicted.suffix),
        name=f"prediction-{sample.id}-v{predicted.version.number}{predicted.suffix}",
        etag=_digest(data),
        headers={VERSION_HEADER: str(predicted.version.number)},
    )


def _digest(data: bytes | Path) -> str:
    """SHA-256 of a mask: the same in every process, whether it was stored or made now."""
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()
    try:
        with data.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise NotFound("The stored prediction was replaced this moment; ask again.") from None
