"""The next sample to label."""

from __future__ import annotations

from flask import Response

from limner.http.answers import answer
from limner.http.context import service
from limner.http.rest.assignments import lent_shape
from limner.http.rest.shapes.assignment import NextAnswer, NextRequest
from limner.http.rest.shapes.paths import ProjectPath
from limner.http.routes import Routes
from limner.loop.assign import Nothing

routes = Routes("Next", "The next sample to label.")


@routes.post("/projects/<slug:project>/next", answers={200: NextAnswer})
def next_sample(path: ProjectPath, body: NextRequest) -> Response:
    """Lend the next sample to an annotator for a time; nobody else gets it meanwhile."""
    lent = service().assignments.next(path.project, body.annotator)
    if isinstance(lent, Nothing):
        return answer(NextAnswer(assignment=None, reason=lent.reason))
    return answer(NextAnswer(assignment=lent_shape(lent), reason=None))
