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
from limner.records import models, predictions
from limner.records.rows import Assignment, AssignmentState, Sample

routes = Routes("Assignments", "Samples lent to annotators.")


@routes.get("/projects/<slug:project>/assignments", answers=shapes.AssignmentPage)
def list_assignments(path: ProjectPath, query: shapes.HeldQuery) -> Response:
    """List what an annotator holds, to go on with it."""
    held = service().assignments.held(path.project, query.annotator)
    return answer(shapes.AssignmentPage(items=[_shown(each) for each in held], next=None))


@routes.get("/assignments/<id:assignment>", answers=shapes.Assignment)
def get_assignment(path: AssignmentPath) -> Response:
    """Say how an assignment stands."""
    return answer(_shown(service().assignments.get(path.assignment)))


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


def lent_shape(project: str, lent: Lent) -> shapes.Assignment:
    """Show what was just lent, with the prediction to begin with."""
    offered = (
        None
        if lent.model_number is None
        else shapes.Offered(
            model_version=lent.model_number, url=prediction_url(project, lent.sample.id)
        )
    )
    return assignment_shape(project, lent.assignment, lent.sample, offered)


def assignment_shape(
    project: str, assignment: Assignment, sample: Sample, offered: shapes.Offered | None
) -> shapes.Assignment:
    """Show an assignment."""
    fields = {name: getattr(assignment, name) for name in _FIELDS}
    return shapes.Assignment(
        **fields,
        project=project,
        sample=shapes.LentSample(
            id=sample.id,
            name=sample.name,
            shape=sample.shape,
            spacing_mm=sample.spacing_mm,
            image_url=image_url(project, sample.id),
        ),
        prediction=offered,
    )


_FIELDS = [
    name
    for name in shapes.Assignment.model_fields
    if name not in {"project", "sample", "prediction"}
]


def _shown(assignment: Assignment) -> shapes.Assignment:
    project = service().projects.of_id(assignment.project_id)
    sample = service().samples.get(project.name, assignment.sample_id)
    offered = None
    if assignment.state == AssignmentState.HELD and project.serving_model_id is not None:
        number = _stored_by(project.serving_model_id, sample)
        if number is not None:
            url = prediction_url(project.name, sample.id)
            offered = shapes.Offered(model_version=number, url=url)
    return assignment_shape(project.name, assignment, sample, offered)


def _stored_by(model_id: int, sample: Sample) -> int | None:
    """Return the number of the serving version where its prediction of this image is stored."""
    with service().records.read() as tx:
        stored = predictions.find(tx, model_id, sample.id)
        if stored is None or stored.modified_ns != sample.modified_ns:
            return None
        version = models.find(tx, model_id)
    return None if version is None else version.number
