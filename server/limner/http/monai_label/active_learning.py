"""`/activelearning/{strategy}`: the next image is an assignment of the loop to the client."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from flask import Response

from limner.http.context import service
from limner.http.monai_label.answers import json_answer
from limner.http.monai_label.reading import json_object
from limner.http.monai_label.routes import Here, Routes, annotator, spoken
from limner.loop.assign import Lent
from limner.records.rows import Sample

routes = Routes()


@routes.route("/activelearning/<strategy>", "POST")
def next_sample(here: Here, strategy: str) -> Response:
    """Lend the next image to a client; an empty object when nothing is left.

    A client that holds as many as one may, because it asks and never hands in, gives back the one
    that it has held longest.
    """
    params = json_object()
    who = annotator(params.get("client_id"))
    named = spoken(strategy)
    lent = service().assignments.next(here.name, who, named, makes_room=True)
    return json_answer(_shown(here, lent, named) if isinstance(lent, Lent) else {})


def image_info(here: Here, sample: Sample) -> dict[str, Any]:
    """Say of an image what clients look for; what they have noted of it themselves comes first."""
    return {
        **service().tags.remarks(sample.id),
        "ts": int(sample.created_at),
        "name": PurePosixPath(sample.files[0]).name,
        "path": str(service().projects.source(here.project, sample).paths[0]),
    }


def _shown(here: Here, lent: Lent, strategy: str) -> dict[str, Any]:
    assignment = lent.assignment
    stamp = {"ts": int(assignment.created_at), "client_id": assignment.annotator}
    shown = {
        **image_info(here, lent.sample),
        "id": lent.sample.name,
        "strategy": {strategy: stamp},
        "purpose": assignment.purpose,
        "reason": assignment.reason,
        "expires_ts": int(assignment.expires_at),
    }
    if assignment.score is not None:
        shown["score"] = assignment.score
    return shown
