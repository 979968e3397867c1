"""Assignments: samples lent to annotators."""

from __future__ import annotations

from flask import Response

from limner.http.answers import answer
from limner.http.context import service
from limner.http.rest.shapes import assignment as shapes
from limner.http.rest.shapes.paths import AssignmentPath, ProjectPath
from limner.http.routes import Routes
from limner.http.urls import image_url, prediction_url
from limner.loop.assign import Lent
from limner.records.rows import Assignment

routes = Routes("Assignments", "Samples lent to annotators.")


@routes.get("/projects/<slug:project>/assignments", answers=shapes.AssignmentPage)
def list_assignments(path: ProjectPath, query: shapes.HeldQuery) -> Response:
    """List what an annotator holds, to go on with it."""
    held = service().assignments.held(path.project, query.annotator)
    return answer(shapes.AssignmentPage(items=[_shown(each) for each in held], next=None))


@routes.get("/assignments/<id:assignment>", answers=shapes.Assignment)
def get_assignment(path: AssignmentPath) -> Response:
    """Say how an assignment stands."""
    return answer(lent_shape(service().assignments.shown(path.assignment)))


@routes.post("/assignments/<id:assignment>/renew", answers={200: shapes.Assignment})
def renew_assignment(path: AssignmentPath) -> Response:
    """Lend a sample for as long again, from now."""
    return answer(_shown(service().assignments.renew(path.assignment)))


@routes.post("/assignments/<id:assignment>/release", answers={200: shapes.Assignment})
def release_assignment(path: AssignmentPath) -> Response:
    """Give a sample back: it goes where it was in the queue."""
    return answer(_shown(service().assignments.release(path.assignment)))


@routes.post("/assignments/<id:assignment>/skip", answers={200: shapes.Assignment})
def skip_assignment(path: AssignmentPath, body: shapes.SkipRequest) -> Response:
    """Skip a sample: it does not come back to this annotator, and goes to the back of the queue."""
    return answer(_shown(service().assignments.skip(path.assignment, body.reason)))


def lent_shape(lent: Lent) -> shapes.Assignment:
    """Show what is lent, with where to get the prediction to begin with."""
    sample = lent.sample
    offered = (
        None
        if lent.model_number is None
        else shapes.Offered(
            model_version=lent.model_number,
            ready=lent.is_predicted,
            url=prediction_url(lent.project, sample.id),
        )
    )
    return shapes.Assignment(
        **{name: getattr(lent.assignment, name) for name in _FIELDS},
        project=lent.project,
        sample=shapes.LentSample(
            id=sample.id,
            name=sample.name,
            shape=sample.shape,
            spacing_mm=sample.spacing_mm,
            image_url=image_url(lent.project, sample.id),
        ),
        prediction=offered,
    )


_FIELDS = [
    name
    for name in shapes.Assignment.model_fields
    if name not in {"project", "sample", "prediction"}
]


def _shown(assignment: Assignment) -> shapes.Assignment:
    return lent_shape(service().assignments.shown(assignment.id))
