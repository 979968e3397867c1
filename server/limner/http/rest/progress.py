"""How far a project has come."""

from __future__ import annotations

from flask import Response

from limner.http.answers import answer
from limner.http.context import service
from limner.http.rest.jobs import job_shape
from limner.http.rest.shapes import progress as shapes
from limner.http.rest.shapes.paths import ProjectPath
from limner.http.rest.shapes.project import Counts, StoreProblem
from limner.http.routes import Routes

routes = Routes("Progress", "How far a project has come.")


@routes.get("/projects/<slug:project>/progress", answers=shapes.Progress)
def get_progress(path: ProjectPath) -> Response:
    """Say how far a project has come: counts, learning curve, queue, and what runs."""
    report = service().progress.report(path.project)
    return answer(
        shapes.Progress(
            project=report.project,
            counts=Counts.model_validate(report),
            held=report.held,
            queue_length=report.queued,
            validation_target=report.validation_target,
            retrain_every=report.retrain_every,
            round=report.round,
            model_version=report.serving,
            learning_curve=[shapes.CurvePoint.model_validate(each) for each in report.curve],
            forecast=shapes.Forecast.model_validate(report.forecast),
            correction=shapes.Correction.model_validate(report.correction),
            stability=shapes.Stability.model_validate(report.stability),
            arms=[shapes.Arm.model_validate(each.as_json()) for each in report.arms],
            jobs=[job_shape(report.project, each) for each in report.jobs],
            store_problems=report.store_problems,
            problems=[StoreProblem.model_validate(each) for each in report.problems],
        )
    )
