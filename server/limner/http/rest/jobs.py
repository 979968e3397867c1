"""Jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response

from limner.errors import LimnerError
from limner.http.answers import answer
from limner.http.context import actor, parts, service
from limner.http.names import project_name
from limner.http.rest.shapes import job as shapes
from limner.http.rest.shapes.pages import PageQuery
from limner.http.rest.shapes.paths import JobPath, ProjectPath
from limner.http.routes import Routes
from limner.http.sse import Event, Feed, stream
from limner.http.urls import job_events_url, job_url
from limner.records.rows import Job, JobState

routes = Routes("Jobs", "Heavy work that outlives a request.")

ENDED = frozenset({JobState.SUCCEEDED.value, JobState.FAILED.value, JobState.CANCELLED.value})


@routes.get("/projects/<slug:project>/jobs", answers=shapes.JobPage)
def list_jobs(path: ProjectPath, query: PageQuery) -> Response:
    """List a project's jobs, newest first."""
    page = service().jobs.list(path.project, query.cursor, query.limit)
    return answer(
        shapes.JobPage(items=[job_shape(path.project, each) for each in page.items], next=page.next)
    )


@routes.post(
    "/projects/<slug:project>/jobs",
    answers={202: shapes.Job},
    also={
        409: "There is nothing to train on, nothing that the strategy could see, or too few labels "
        "to review."
    },
)
def start_job(path: ProjectPath, body: shapes.NewJob) -> Response:
    """Ask for heavy work. Where a job of this kind waits already, that one is answered."""
    if body.kind == "train":
        params = body.model_dump(include={"effort", "from_scratch"}, exclude_none=True)
        job = service().retrain.request(path.project, actor(), params)
    elif body.kind == "review":
        params = body.model_dump(include={"effort", "folds"}, exclude_none=True)
        job = service().review.request(path.project, actor(), params)
    else:
        job = service().score.request(path.project, body.strategy)
    return answer(job_shape(path.project, job), 202, {"Location": job_url(job.id)})


@routes.get("/jobs/<id:job>", answers=shapes.Job)
def get_job(path: JobPath) -> Response:
    """Say how a job stands."""
    return answer(_shown(service().jobs.get(path.job)))


@routes.delete("/jobs/<id:job>", answers={200: shapes.Job})
def cancel_job(path: JobPath) -> Response:
    """Cancel a job: a waiting one ends at once, a running one within seconds."""
    return answer(_shown(service().jobs.cancel(path.job, actor())))


@routes.get(
    "/jobs/<id:job>/events",
    answers={"text/event-stream": "Server-sent events, each the job as it stands; until it ends."},
    also={503: "Too many streams are open."},
)
def follow_job(path: JobPath) -> Response:
    """Follow a job until it ends. The first event says how it stands."""

    def present() -> tuple[str, Mapping[str, Any]]:
        return "job", _shown(service().jobs.get(path.job)).model_dump(mode="json")

    feed = Feed(
        subscribe=lambda: service().events.subscribe(job=path.job),
        present=present,
        shown=event_data,
        ended=lambda kind, data: data.get("state") in ENDED,
    )
    return stream(parts().streams, feed)


def event_data(event: Event) -> Mapping[str, Any]:
    """Write the data of an event: of a job's, the job as the interface shows it."""
    if event.job is None:
        return event.data
    try:
        return _shown(service().jobs.get(event.job)).model_dump(mode="json")
    except LimnerError:
        return event.data


def job_shape(project: str, job: Job) -> shapes.Job:
    """Show a job."""
    fields = {name: getattr(job, name) for name in _FIELDS}
    return shapes.Job(**fields, project=project, events_url=job_events_url(job.id))


_FIELDS = [name for name in shapes.Job.model_fields if name not in {"project", "events_url"}]


def _shown(job: Job) -> shapes.Job:
    return job_shape(project_name(job.project_id), job)
