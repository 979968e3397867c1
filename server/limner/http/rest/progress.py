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
from limner.loop.arms import Arm

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
            arms=[_arm_shape(each) for each in report.arms],
            jobs=[job_shape(report.project, each) for each in report.jobs],
            store_problems=report.store_problems,
            problems=[StoreProblem.model_validate(each) for each in report.problems],
        )
    )


def _arm_shape(arm: Arm) -> shapes.Arm:
    found = arm.bought
    is_bounded = found is not None and found.trials > 1
    return shapes.Arm(
        arm=arm.arm,
        labels=arm.labels,
        standing=arm.standing.value,
        trials=0 if found is None else found.trials,
        compared=0 if found is None else found.labels,
        measure=None if found is None else found.measure,
        gain=None if found is None else found.gain,
        low=found.low if found is not None and is_bounded else None,
        high=found.high if found is not None and is_bounded else None,
    )
