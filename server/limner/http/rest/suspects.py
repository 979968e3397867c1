"""Suspect labels."""

from __future__ import annotations

from flask import Response

from limner.http.answers import answer
from limner.http.context import service
from limner.http.rest.labels import label_shape
from limner.http.rest.samples import sample_shape
from limner.http.rest.shapes import suspect as shapes
from limner.http.rest.shapes.pages import PageQuery
from limner.http.rest.shapes.paths import ProjectPath
from limner.http.rest.shapes.values import rfc3339
from limner.http.routes import Routes
from limner.loop.suspect_list import Suspected

routes = Routes("Suspects", "Labels that look wrong to models that have not learnt from them.")


@routes.get("/projects/<slug:project>/suspects", answers=shapes.SuspectPage)
def list_suspects(path: ProjectPath, query: PageQuery) -> Response:
    """List the labels that the newest review found suspect, the worst first.

    A label leaves the list when it is approved or rejected, or when a new one takes its place.
    """
    page = service().suspects.list(path.project, query.cursor, query.limit)
    return answer(
        shapes.SuspectPage(
            items=[_suspect_shape(path.project, each) for each in page.items], next=page.next
        )
    )


def _suspect_shape(project: str, found: Suspected) -> shapes.Suspect:
    return shapes.Suspect(
        sample=sample_shape(project, found.sample),
        label=label_shape(found.label),
        score=found.suspect.score,
        reason=found.suspect.reason,
        model_says=found.suspect.model_says,
        job_id=found.suspect.job_id,
        created_at=rfc3339(found.suspect.created_at),
    )
