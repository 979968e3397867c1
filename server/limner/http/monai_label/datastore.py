"""`/datastore/`: what there is, as figures, as one document and as a data set."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, stream_with_context

from limner.http.context import service
from limner.http.monai_label import listing
from limner.http.monai_label.answers import disposition, json_answer
from limner.http.monai_label.info import datastore_stats
from limner.http.monai_label.reading import asked_choice, asked_number
from limner.http.monai_label.routes import Here, Routes

routes = Routes()


@routes.route("/datastore/", "GET")
def get_datastore(here: Here) -> Response:
    """Say what there is: figures, or everything (`all`), or what a training learns from."""
    output = asked_choice("output", "stats", "all", "train")
    if output == "all":
        return _streamed(listing.document(here))
    if output == "train":
        return _streamed(listing.training_pairs(here))
    return json_answer(datastore_stats(here))


@routes.route("/datastore/dataset", "GET")
def get_dataset(here: Here) -> Response:
    """Give labelled images with their labels as a zip, at most so many as are asked for."""
    most = asked_number("limit_cases", default=0)
    body = service().exports.pairs(here.name, most or None)
    response = Response(body, content_type="application/zip")
    response.headers["Content-Disposition"] = disposition("dataset.zip")
    return response


def _streamed(pieces: Iterator[bytes]) -> Response:
    return Response(stream_with_context(pieces), content_type="application/json")
