"""Projects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flask import Response

from limner.errors import LimnerError
from limner.http.answers import answer, nothing
from limner.http.context import actor, parts, service
from limner.http.rest.jobs import event_data
from limner.http.rest.shapes import project as shapes
from limner.http.rest.shapes.pages import PageQuery
from limner.http.rest.shapes.paths import ProjectPath
from limner.http.rest.shapes.values import rfc3339
from limner.http.routes import Routes
from limner.http.sse import Event, Feed, stream
from limner.http.urls import project_url
from limner.loop.page import number_cursor, page_of
from limner.loop.service import FIRST_LOOK_S
from limner.plugin import Json, Option
from limner.records import counts, rows, store_problems

routes = Routes("Projects", "Labelling tasks: an app, a folder of images, classes and settings.")


@routes.get("/projects", answers=shapes.ProjectPage)
def list_projects(query: PageQuery) -> Response:
    """List the projects."""
    page = service().projects.list(query.cursor, query.limit)
    return answer(
        shapes.ProjectPage(items=[project_shape(each) for each in page.items], next=page.next)
    )


@routes.post("/projects", answers={201: shapes.Project}, also={409: "The name is taken."})
def create_project(body: shapes.NewProject) -> Response:
    """Create a project on a folder that the server can read; its images are taken in at once."""
    project = service().projects.create(body, actor())
    service().ingest.wait_until_looked([project.name], FIRST_LOOK_S)
    project = service().projects.get(project.name)
    return answer(project_shape(project), 201, {"Location": project_url(project.name)})


@routes.get("/projects/<slug:project>", answers=shapes.Project)
def get_project(path: ProjectPath) -> Response:
    """Say what a project is and how far it has come."""
    return answer(project_shape(service().projects.get(path.project)))


@routes.patch("/projects/<slug:project>", answers=shapes.Project)
def change_project(path: ProjectPath, body: shapes.ProjectChange) -> Response:
    """Change a project's title, its app or some of its settings; what is left out stays.

    `notices` says where the version that serves was made otherwise: it goes on serving, and the
    next training starts from scratch.
    """
    settings = (
        None if body.settings is None else body.settings.model_dump(mode="json", exclude_unset=True)
    )
    project = service().projects.change(
        path.project, title=body.title, app=body.app, settings=settings, actor=actor()
    )
    return answer(project_shape(project))


@routes.delete("/projects/<slug:project>", answers={204: None})
def delete_project(path: ProjectPath) -> Response:
    """Delete a project from the server. Its images and labels stay on the disk."""
    service().projects.delete(path.project, actor())
    return nothing()


@routes.get("/projects/<slug:project>/problems", answers=shapes.StoreProblemPage)
def list_problems(path: ProjectPath, query: PageQuery) -> Response:
    """List what is in the project's folder and is no usable sample, with the reason."""
    project = service().projects.get(path.project)
    with service().records.read() as tx:
        after = number_cursor(query.cursor) or 0
        found = store_problems.page(tx, project.id, after=after, limit=query.limit + 1)
    page = page_of(found, query.limit, lambda each: each.id)
    return answer(
        shapes.StoreProblemPage(
            items=[shapes.StoreProblem.model_validate(each) for each in page.items],
            next=page.next,
        )
    )


@routes.get(
    "/projects/<slug:project>/events",
    answers={"text/event-stream": "Server-sent events; the first says how things stand."},
    also={503: "Too many streams are open."},
)
def follow_project(path: ProjectPath) -> Response:
    """Follow a project: samples, labels, jobs, models and its queue, as they change."""
    name = path.project
    feed = Feed(
        subscribe=lambda: service().events.subscribe(project=name),
        present=lambda: ("project", _dumped(name)),
        shown=_event_data,
        ended=lambda kind, data: kind == "project" and data.get("change") == "deleted",
    )
    return stream(parts().streams, feed)


def _event_data(event: Event) -> Mapping[str, Any]:
    if event.kind != "project" or event.data.get("change") == "deleted":
        return event_data(event)
    try:
        return _dumped(event.project)
    except LimnerError:
        return event.data


def _dumped(name: str) -> Mapping[str, Any]:
    return project_shape(service().projects.get(name)).model_dump(mode="json")


def project_shape(project: rows.Project) -> shapes.Project:
    """Show a project."""
    model = project.serving_model_id
    serving = None if model is None else service().models.of_id(model)
    return shapes.Project(
        id=project.name,
        name=project.name,
        title=project.title,
        app=project.app,
        task=project.task,
        app_options=_app_options(project),
        strategy_options=_strategy_options(project),
        images=str(project.store.get("path", "")),
        labels=[shapes.LabelClass.model_validate(each) for each in project.schema],
        settings=project.settings,
        round=project.round,
        model_version=None if serving is None else serving.number,
        counts=shapes.Counts(
            samples=project.samples,
            ready=counts.ready(project),
            labelled=project.labelled,
            validation=project.validation,
            unreadable=project.unreadable,
            set_aside=project.set_aside,
            vanished=project.vanished,
            queued=project.queued,
            labels_since_training=project.labels_since_training,
        ),
        problems=list(service().projects.plugin_problems(project)),
        notices=list(service().models.notices(project, serving)),
        created_at=rfc3339(project.created_at),
    )


def _app_options(project: rows.Project) -> dict[str, shapes.ProjectOption]:
    try:
        values = service().projects.app_options(project)
        return _options(values, service().registry.app(project.app).options)
    except LimnerError:
        return {}  # `problems` says why


def _strategy_options(project: rows.Project) -> dict[str, shapes.ProjectOption]:
    try:
        values = service().projects.strategy_options(project)
        name = service().projects.settings(project).strategy
        return _options(values, service().registry.strategy(name).options)
    except LimnerError:
        return {}  # `problems` says why


def _options(
    values: Mapping[str, Json], known: Mapping[str, Option]
) -> dict[str, shapes.ProjectOption]:
    return {
        name: shapes.ProjectOption(value=values[name], **asdict(option))
        for name, option in known.items()
    }
